/**
 * Copies from and to host memory, and on the device; the last bytes are checked where they arrived.
 *
 *     gpu-copy.ts upload|upload-plain|download|download-plain|copy DEVICE BYTES COUNT
 */
import { figureOf } from "../measure.ts";
import { lastWord, onGpu, rate, setLastWord } from "./gpu.ts";

const [kind = "", device, size, times] = Bun.argv.slice(2);
const bytes = Number(size);
const count = Number(times);
const { allocator, allocate } = onGpu(Number(device));
const WORD = 0x0badcafe;

const gpu = allocate(bytes);
const pinned = () => allocator.allocate(bytes, { kind: "host", gpuPinned: true });
const lastOf = (view: Uint8Array) => new DataView(view.buffer, view.byteOffset + bytes - 4, 4);

/** What is measured, and what has to be true after it. */
async function prepare(): Promise<{ move(): Promise<void>; arrived(): Promise<boolean> | boolean }> {
  if (kind === "copy") {
    const target = allocate(bytes);
    await setLastWord(gpu, WORD);
    return { move: () => gpu.copyTo(target), arrived: async () => (await lastWord(target)) === WORD };
  }
  const buffer = kind.endsWith("-plain") ? null : pinned();
  const host = buffer?.bytes ?? new Uint8Array(new ArrayBuffer(bytes)).fill(1);
  if (kind.startsWith("upload")) {
    lastOf(host).setUint32(0, WORD, true);
    return {
      move: () => (buffer ? buffer.copyTo(gpu) : gpu.write(host)),
      arrived: async () => (await lastWord(gpu)) === WORD,
    };
  }
  await setLastWord(gpu, WORD);
  return {
    move: () => (buffer ? gpu.copyTo(buffer) : gpu.read(host)),
    arrived: () => lastOf(host).getUint32(0, true) === WORD,
  };
}

const { move, arrived } = await prepare();
const samples: number[] = [];
for (let i = -Math.ceil(count / 5); i < count; i++) {
  const start = Bun.nanoseconds();
  await move();
  if (i >= 0) samples.push(rate(bytes, start));
}
if (!(await arrived())) throw new Error(`${kind}: the last bytes did not arrive`);
console.log(JSON.stringify({ [kind]: figureOf(samples, "higher") }));
allocator.close();
