/**
 * The conformance suite, which the test file of every backend runs:
 *
 *     conformance({ name: "cpu", create: (options) => KernelRuntime.create({ ...options, backend: "cpu" }), source });
 */
import { describe } from "bun:test";
import type { Kernel, KernelRuntime, LaunchOptions, RuntimeOptions } from "../../src/kernel/index.ts";
import { privateDirectory } from "../channel/support.ts";
import { answers } from "./conformance/answers.ts";
import { atomics } from "./conformance/atomics.ts";
import type { BodyName } from "./conformance/bodies.ts";
import { ending } from "./conformance/ending.ts";
import { k2k } from "./conformance/k2k.ts";
import { lifecycle } from "./conformance/lifecycle.ts";
import { limits } from "./conformance/limits.ts";
import { messages } from "./conformance/messages.ts";
import { counts } from "./conformance/metrics.ts";
import { queues } from "./conformance/queues.ts";
import { structs } from "./conformance/structs.ts";

export interface Setting {
  name: string;
  create(options?: RuntimeOptions): Promise<KernelRuntime>;
  /** The source of a body for this backend. */
  source(body: BodyName): LaunchOptions["source"];
}

export function conformance(setting: Setting): void {
  describe(setting.name, () => {
    privateDirectory(); // some connect runtimes over channels
    lifecycle(setting);
    messages(setting);
    limits(setting);
    structs(setting);
    queues(setting);
    k2k(setting);
    answers(setting);
    counts(setting);
    atomics(setting);
    ending(setting);
  });
}

/** Launches and activates a kernel; `forward` and `relay` have a route to "target". */
export async function start(
  { source }: Setting,
  runtime: KernelRuntime,
  body: BodyName,
  options: Partial<LaunchOptions> & { id?: string } = {},
): Promise<Kernel> {
  const { id = body, ...rest } = options;
  const routes = body === "forward" || body === "relay" ? { routes: ["target"] } : {};
  const kernel = await runtime.launch(id, { source: source(body), ...routes, ...rest });
  await kernel.activate();
  return kernel;
}
