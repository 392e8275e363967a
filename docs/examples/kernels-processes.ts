// Kernels of two processes that send to each other: bun docs/examples/kernels-processes.ts
import { KernelRuntime } from "lava-flow/kernel";

const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
const first = (payload: Uint8Array) => new Uint32Array(payload.slice().buffer)[0] as number;

if (process.argv.includes("counter")) {
  await using runtime = await KernelRuntime.create({ backend: "cpu", name: "counter" });
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
  let sum = 0;
  const tally = await runtime.launch("tally", {
    source: {
      handler({ payload }, { sendTo }) {
        sum += first(payload);
        if (first(payload) > 0) return;
        sendTo("front/answer", words(sum));
        finish();
      },
    },
  });
  await tally.activate();
  await runtime.k2k?.connect("front");
  await finished;
} else {
  await using runtime = await KernelRuntime.create({ backend: "cpu", name: "front" });
  const answer = await runtime.launch("answer", { source: { handler: ({ payload }) => payload } });
  await answer.activate();

  Bun.spawn([process.execPath, Bun.main, "counter"], { stdio: ["ignore", "inherit", "inherit"] });
  await runtime.k2k?.connect("counter");
  for (const value of [40, 2, 0]) {
    console.log(`${value}: ${await runtime.k2k?.send("host", "counter/tally", words(value))}`);
  }
  console.log(`the other process says ${first((await answer.receive()).payload)}`);
}
