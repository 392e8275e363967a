/** Support of the interop tests. */
import { type InteropViability, interopViability } from "../../src/interop/index.ts";
import { gpu, vulkan } from "../gpu/support.ts";
import { type Feature, requires } from "../requires.ts";

/** Whether an API and the GPU of the tests can be used. A skip has the reason. */
export function usable(api: InteropViability["api"] & Feature): boolean {
  const told = interopViability().find((each) => each.api === api) as InteropViability;
  return vulkan && requires(api, told.viable, told.reason);
}

/** Semaphores are shared by drivers of hardware only. */
export function hardware(): boolean {
  return vulkan && requires("gpu", gpu.type !== "cpu", `${gpu.name} is a software device: it shares no semaphores`);
}
