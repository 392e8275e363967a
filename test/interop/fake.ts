/** The libraries that need no GPU (shim/test/support/fake_cuda.c, fake_opencl.c), as the environment of a process that uses them. */
import { existsSync, readSync } from "node:fs";
import { join } from "node:path";
import { build } from "../../scripts/build.ts";
import { ROOT } from "../../scripts/run.ts";
import { device, gpu, newAllocator } from "../gpu/support.ts";

/** A second GPU, which only the fake driver has. */
export const OTHER_UUID = "f".repeat(32);

export async function fakeCuda(): Promise<Record<string, string> | string> {
  const path = join(ROOT, "shim/zig-out/test-support/libfake_cuda.so");
  const built = await build("test-support");
  if (!existsSync(path)) return `the CUDA library for tests could not be built: ${built.output.trim()}`;
  return {
    LAVA_FLOW_CUDA: path,
    FAKE_CUDA_UUIDS: `${gpu.deviceUuid},${OTHER_UUID}`,
    FAKE_CUDA_DRIVER: driverBytes().toHex(),
  };
}

export async function fakeOpenCl(): Promise<Record<string, string> | string> {
  const path = join(ROOT, "shim/zig-out/test-support/libfake_opencl.so");
  const built = await build("test-support");
  if (!existsSync(path)) return `the OpenCL library for tests could not be built: ${built.output.trim()}`;
  return { LAVA_FLOW_OPENCL: path, FAKE_OPENCL_UUIDS: `${OTHER_UUID},${gpu.deviceUuid}` };
}

/** By these 20 bytes Mesa's software driver knows its own files; they come after two words. */
function driverBytes(): Uint8Array {
  using allocator = newAllocator();
  using handle = allocator.allocate(4096, { kind: "gpu", device }).exportHandle();
  const bytes = new Uint8Array(20);
  readSync(handle.fd as number, bytes, 0, bytes.length, 16);
  return bytes;
}
