/** A process that ends, or a Worker that is terminated, while the driver compiles. */
import { GpuDevice, listGpus } from "../../src/gpu/device.ts";
import { GpuPipeline } from "../../src/gpu/pipeline.ts";
import { toKernel } from "../../src/kernel/shader/shader.ts";

/** Mesa's software driver takes seconds over it. Another `seed` is another body. */
export function heavyBody(seed: number): string {
  const lines = Array.from({ length: 600 }, (_, i) => `a = a * ${2 * i + 3}u + (b ^ ${i + seed}u);`);
  return `fn on_message(m: Message) { var a = payload(0u); var b = 1u; ${lines.join("\n")} set_reply(0u, a); reply(4u); }`;
}

/** Resolves once the driver compiles; nothing waits for the compile's end. */
async function begin(): Promise<void> {
  const index = listGpus().findIndex(({ missing, type }) => missing === null && type === "cpu");
  const { spirv } = await toKernel(heavyBody(9), 1, "heavy");
  GpuPipeline.create(GpuDevice.open(index), spirv, "heavy", 4, 28).catch(() => {});
}

if (!Bun.isMainThread) {
  await begin();
  postMessage("compiling");
} else if (import.meta.main) {
  const how = process.argv[2];
  if (how === "terminate") {
    const worker = new Worker(import.meta.url);
    await new Promise((resolve) => {
      worker.onmessage = resolve;
    });
    console.log("compiling");
    worker.terminate();
  } else {
    await begin();
    console.log("compiling");
    if (how === "exit") process.exit(0);
    throw new Error("no handler catches this");
  }
}
