// Kernels that each have a thread of their own: bun docs/examples/kernels-worker.ts
import { KernelRuntime } from "lava-flow/kernel";

await using runtime = await KernelRuntime.create({ backend: "cpu" });
const source = { module: new URL("./primes.ts", import.meta.url) };
const kernels = await Promise.all([0, 1, 2, 3].map((i) => runtime.launch(`primes-${i}`, { source })));
for (const kernel of kernels) await kernel.activate();

const counts = await Promise.all(
  kernels.map(async (kernel, i) => {
    const { payload } = await kernel.call({
      payload: new Uint8Array(Uint32Array.of(i * 25_000, (i + 1) * 25_000).buffer),
    });
    return new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
  }),
);
console.log(`${counts.reduce((sum, count) => sum + count)} primes below 100,000, counted by ${counts.length} threads`);
