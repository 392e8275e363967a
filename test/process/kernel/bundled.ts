/** A program to be bundled: a handler, and a module that would need a Worker. Writes what became of both. */
import { KernelRuntime } from "../../../src/kernel/index.ts";

const runtime = await KernelRuntime.create({ backend: "cpu" });
const echo = await runtime.launch("echo", { source: { handler: ({ payload }) => payload } });
await echo.activate();
const { payload } = await echo.call({ payload: Uint8Array.of(5) });
const launching = runtime.launch("worker", { source: { module: new URL("./echo.ts", import.meta.url) } });
const refused = await launching.catch(({ code }) => code);
console.log(JSON.stringify({ echoed: payload[0], refused }));
await runtime.shutdown();
