/** Launches a kernel on Metal, and prints the error. */
import { LavaFlowError } from "../../src/errors.ts";
import { openMetal } from "../../src/kernel/backend/metal.ts";
import { HybridLogicalClock } from "../../src/kernel/base/clock.ts";
import { Port } from "../kernel/port.ts";

const backend = await openMetal(new HybridLogicalClock({ nodeId: 1 }));
try {
  await backend.launch(
    {
      ...{ id: "kernel", number: 1, body: { wgsl: "fn on_message(message: Message) {}" }, stateBytes: 4 },
      ...{ inputCapacity: 1, outputCapacity: 1, payloadBytes: 4, workgroupSize: 1, routeCount: 0 },
    },
    new Port(),
  );
} catch (error) {
  if (!(error instanceof LavaFlowError)) throw error;
  console.log(JSON.stringify({ code: error.code, reason: error.reason }));
} finally {
  await backend.close();
}
