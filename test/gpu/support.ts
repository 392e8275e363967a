/**
 * Support of tests on a GPU. They run on the first GPU in hardware, else on a software one. `bun run check` selects the
 * driver and the validation layer; importing this file does the same for a single test file.
 */
import { dlopen, FFIType } from "bun:ffi";
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { driverEnvironment } from "../../scripts/gpu.ts";
import { type GpuInfo, listGpus, noVulkan } from "../../src/gpu/device.ts";
import { MemoryAllocator, type MemoryBuffer } from "../../src/index.ts";
import { requires } from "../requires.ts";

/** Vulkan reads the environment of C, which process.env does not reach. */
function setEnvironment(variables: Record<string, string>): void {
  const libc = /\S+\/(libc\.so\.6|libc-[\d.]+\.so|ld-musl-\S+)$/m.exec(readFileSync("/proc/self/maps", "utf8"))![0];
  const { symbols } = dlopen(libc, {
    setenv: { args: [FFIType.cstring, FFIType.cstring, FFIType.i32], returns: FFIType.i32 },
  });
  for (const [name, value] of Object.entries(variables)) {
    symbols.setenv(Buffer.from(`${name}\0`), Buffer.from(`${value}\0`), 1);
    process.env[name] = value; // for the processes that tests start
  }
}

const validationFile = process.env.LAVA_FLOW_VALIDATION ?? join(tmpdir(), `lava-flow-validation-${process.pid}`);
if (process.platform === "linux" && !process.env.LAVA_FLOW_VALIDATION) {
  setEnvironment({ ...driverEnvironment(), LAVA_FLOW_VALIDATION: validationFile });
}

const usable = listGpus().filter(({ missing }) => missing === null);
const found = usable.find(({ type }) => type !== "cpu") ?? usable[0];
/** Why no GPU was found. */
export const why =
  noVulkan()?.reason ??
  listGpus()
    .map(({ name, missing }) => `${name}: ${missing}`)
    .join("; ");

export const vulkan = requires("vulkan", found !== undefined, why);

/** The GPU of the tests. Tests that use it are skipped where there is none. */
export const gpu: GpuInfo = found as GpuInfo;
export const device: number = found?.index ?? 0;

/** For tests of a software GPU: it must be named, shares no semaphores, and its memory is a file. */
export const inSoftware = requires("software-gpu", found?.type === "cpu", found ? `${found.name} is hardware` : why);

export const timeline = requires(
  "gpu-timeline",
  found?.externalTimeline === true,
  found ? `${found.name} does not share timeline semaphores` : why,
);

export const newAllocator = (): MemoryAllocator => new MemoryAllocator({ devices: vulkan ? [device] : "none" });

/** To be called last in a file: by then the layer has reported every misuse of the file's tests. */
export function validationIsSilent(): void {
  test.skipIf(!vulkan)("the validation layer has nothing to say", () => {
    expect(existsSync(validationFile) ? readFileSync(validationFile, "utf8") : "").toBe("");
  });
}

export function randomBytes(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

/** The content of a buffer, read by the GPU. */
export async function contentOf(buffer: MemoryBuffer): Promise<Uint8Array> {
  const bytes = new Uint8Array(buffer.sizeBytes);
  await buffer.read(bytes);
  return bytes;
}

/** Compares by memcmp, and prints only the first difference. */
export function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.length).toBe(expected.length);
  if (Buffer.compare(actual, expected) === 0) return;
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  throw new Error(`byte ${at} of ${actual.length} is ${actual[at]}, not ${expected[at]}`);
}
