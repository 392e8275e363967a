/** The Vulkan library that fails on demand: built here where Zig is installed, else taken from shim/zig-out. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { build } from "../../scripts/build.ts";
import { ROOT } from "../../scripts/run.ts";
import { ProcessPeer } from "../channel/peers.ts";

export async function faultLibrary(): Promise<{ path: string } | { path: null; reason: string }> {
  const path = join(ROOT, "shim/zig-out/test-support/libfault_vulkan.so");
  const built = await build("test-support");
  if (existsSync(path)) return { path };
  return { path: null, reason: `the Vulkan library that fails on demand could not be built: ${built.output.trim()}` };
}

/** Runs a scenario of test/process/ over that library, with LAVA_FAULT from the start. Returns its output. */
export async function scenario(
  library: string,
  name: string,
  args: object,
  faults = "",
  more: object = {},
): Promise<unknown[]> {
  // No validation layer: an injected failure looks like misuse to it.
  const env = { LAVA_FAULT: faults, LAVA_FLOW_VULKAN: library, LAVA_FLOW_VALIDATION: "", ...more };
  await using peer = new ProcessPeer(name, args, { env });
  await peer.done;
  const said: unknown[] = [];
  for (;;) {
    try {
      said.push(await peer.heard());
    } catch {
      return said;
    }
  }
}
