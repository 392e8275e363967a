/** The programs of docs/interop.md, unchanged. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { hardware, usable } from "./support.ts";

const ROOT = join(import.meta.dir, "../..");

const EXAMPLES: [api: "cuda" | "opencl" | "opengl", name: string, there: boolean][] = [
  ["cuda", "CUDA", usable("cuda") && hardware()],
  ["opencl", "OpenCL", usable("opencl") && hardware()],
  ["opengl", "OpenGL", usable("opengl")],
];

for (const [api, name, there] of EXAMPLES) {
  test.skipIf(!there)(`docs/examples/interop-${api}.ts`, async () => {
    await using child = Bun.spawn([process.execPath, `docs/examples/interop-${api}.ts`], {
      stdio: ["ignore", "pipe", "pipe"],
      cwd: ROOT,
      timeout: 60_000,
    });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    expect({ code: child.exitCode, err, out }).toEqual({
      code: 0,
      err: "",
      out: expect.stringContaining(`${name} wrote 42`),
    });
  });
}
