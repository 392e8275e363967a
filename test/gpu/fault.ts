/** The Vulkan library that fails on demand: built where there is Zig, else it has to have been brought along. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { build } from "../../scripts/build.ts";
import { ROOT } from "../../scripts/run.ts";

export async function faultLibrary(): Promise<{ path: string } | { path: null; reason: string }> {
  const path = join(ROOT, "shim/zig-out/test-support/libfault_vulkan.so");
  const built = await build("test-support");
  if (existsSync(path)) return { path };
  return { path: null, reason: `the Vulkan library that fails on demand could not be built: ${built.output.trim()}` };
}
