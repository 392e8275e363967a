/** The CUDA library that needs no GPU (shim/test/support/fake_cuda.c), as the environment of a process that uses it. */
import { existsSync, readSync } from "node:fs";
import { join } from "node:path";
import { build } from "../../scripts/build.ts";
import { ROOT } from "../../scripts/run.ts";
import { device, gpu, newAllocator, vulkan } from "../gpu/support.ts";

/** A second GPU, which only the fake driver has. */
export const OTHER_UUID = "f".repeat(32);

/**
 * Whether the fake driver can be used: it reads the memory of Mesa's software Vulkan, which is a file. Elsewhere the
 * reason is printed. No machine lacks anything then, so there is nothing for LAVA_FLOW_REQUIRE to ask for.
 */
export function fakeable(): boolean {
  if (vulkan && gpu.type === "cpu") return true;
  if (vulkan) console.error(`skip cuda-fake: ${gpu.name} is no software device: the fake driver can't read its memory`);
  return false;
}

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

/** By these 20 bytes Mesa's software driver knows its own files; they come after two words. */
function driverBytes(): Uint8Array {
  using allocator = newAllocator();
  using handle = allocator.allocate(4096, { kind: "gpu", device }).exportHandle();
  const bytes = new Uint8Array(20);
  readSync(handle.fd as number, bytes, 0, bytes.length, 16);
  return bytes;
}
