/** Bodies of kernels on a GPU, over a device that compiles at once and ignores the signal. */
import { expect, test } from "bun:test";
import type { KernelSpec } from "../../src/kernel/backend/backend.ts";
import { Bodies } from "../../src/kernel/backend/bodies.ts";
import type { ComputeDevice } from "../../src/kernel/backend/compute.ts";
import { roundsFor } from "../../src/kernel/shader/layout.ts";
import { PLAIN } from "../../src/kernel/wgsl/extensions.ts";

const WGSL = "fn on_message(m: Message) { set_reply(0u, payload(0u)); reply(4u); }";
const SPEC = { id: "k", workgroupSize: 1, body: {} } as unknown as KernelSpec;

test("a compile that is given up leaves no pipeline open, and the next launch compiles anew", async () => {
  let made = 0;
  let open = 0;
  const compiling = Promise.withResolvers<void>();
  const device = {
    name: "a device",
    target: PLAIN,
    pipeline: async () => {
      made++;
      open++;
      compiling.resolve();
      await Promise.resolve();
      return { close: () => open-- };
    },
  } as unknown as ComputeDevice;
  const bodies = new Bodies(device, roundsFor(Number.POSITIVE_INFINITY));
  const reason = new Error("the caller has another plan");

  const before = new AbortController();
  const early = bodies.of(WGSL, SPEC, before.signal);
  before.abort(reason);
  await expect(early).rejects.toBe(reason);
  expect([made, open]).toEqual([0, 0]);

  const during = new AbortController();
  const late = bodies.of(WGSL, SPEC, during.signal);
  await compiling.promise;
  during.abort(reason);
  await expect(late).rejects.toBe(reason);
  expect([made, open]).toEqual([1, 0]);

  await bodies.of(WGSL, SPEC, new AbortController().signal);
  expect([made, open]).toEqual([2, 1]);
  await bodies.close();
  expect(open).toBe(0);
});
