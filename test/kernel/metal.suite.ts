/** The conformance suite on Metal: run by metal-rings.test.ts in a process with the stand-in. */
import { expect, test } from "bun:test";
import { type Kernel, KernelRuntime } from "../../src/kernel/index.ts";
import { failure } from "../channel/support.ts";
import { wgsl } from "./conformance/bodies.ts";
import { conformance } from "./conformance.ts";
import { word, words } from "./support.ts";

conformance({
  name: "metal",
  create: (options) => KernelRuntime.create({ ...options, backend: "metal" }),
  source: (body) => ({ wgsl: wgsl[body] }),
});

async function active(runtime: KernelRuntime, id: string, body: string): Promise<Kernel> {
  const source = `fn on_message(message: Message) { ${body} set_reply(0u, result); reply(4u); }`;
  const kernel = await runtime.launch(id, { source: { wgsl: source } });
  await kernel.activate();
  return kernel;
}

test("the MSL has the guards: indices stay within bounds, and loops end", async () => {
  await using runtime = await KernelRuntime.create({ backend: "metal" });
  const wild = await active(runtime, "wild", "var l: array<u32, 4>; l[payload(0u)] = 5u; let result = l[3];");
  expect(word((await wild.call({ payload: words(0x7fffffff) })).payload)).toBe(5);
  const stuck = await active(runtime, "stuck", "loop { if (payload(0u) == 7u) { break; } } let result = 1u;");
  expect(word((await stuck.call({ payload: words(7) })).payload)).toBe(1);
  const call = () => stuck.call({ payload: words(1) }, { timeoutMs: 60_000 });
  expect((await failure("BACKEND_UNAVAILABLE", call)).message).toContain("33554432 iterations");
  expect(word((await wild.call({ payload: words(3) })).payload)).toBe(5);
}, 60_000);
