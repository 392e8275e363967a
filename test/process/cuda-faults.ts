/**
 * Meets every failure of CUDA's that the fake driver can give (LAVA_FLOW_CUDA), one after the other, and tells what was
 * said and what was left behind. `bun cuda-faults.ts`; prints one JSON object.
 */
import { CString, dlopen, FFIType as T } from "bun:ffi";
import { LavaFlowError } from "../../src/errors.ts";
import { MemoryAllocator } from "../../src/index.ts";
import { importFromCuda, importIntoCuda } from "../../src/interop/index.ts";
import { nativeMemory } from "../../src/memory/buffer.ts";
import { native } from "../../src/native/load.ts";
import { lastError } from "../../src/native/status.ts";
import { CudaDevice, library } from "../interop/cuda-driver.ts";
import { openDescriptors } from "../memory/support.ts";

const fake = dlopen(library, {
  fake_fail: { args: [T.ptr, T.i32, T.i32], returns: T.void },
  fake_pending: { args: [T.i32], returns: T.void },
  fake_wrong_alias: { args: [T.i32], returns: T.void },
  fake_open: { args: [], returns: T.i32 },
  fake_order: { args: [], returns: T.ptr },
  fake_forget: { args: [], returns: T.void },
}).symbols;

const OTHER = "ffffffffffffffffffffffffffffffff";
const shim = native();
using allocator = new MemoryAllocator({ devices: [0] });
const { deviceUuid } = allocator.topology.gpus[0]!;
const buffer = allocator.allocate(1 << 20, { kind: "gpu", device: 0 });
await buffer.fill(7);

export interface Outcome {
  /** The error's code, native call and text; null: it worked. */
  error: { code: string; api: string; status: number; text: string } | null;
  /** Objects of CUDA's and descriptors that were not there before. */
  left: { objects: number; descriptors: number };
  order: string;
}

/** A failing shim call as an exception. */
function must(result: number): number {
  if (result < 0) throw lastError(shim);
  return result;
}

async function outcomeOf(run: () => unknown, fault?: [name: string, code: number, after?: number]): Promise<Outcome> {
  const before = { objects: fake.fake_open(), descriptors: openDescriptors() };
  fake.fake_forget();
  if (fault) fake.fake_fail(Buffer.from(`${fault[0]}\0`), fault[1], fault[2] ?? 0);
  let error: Outcome["error"] = null;
  try {
    await run();
  } catch (thrown) {
    if (!(thrown instanceof LavaFlowError)) throw thrown;
    const { code, native: call, message } = thrown;
    error = { code, api: call?.api ?? "", status: call?.status ?? 0, text: message };
  }
  fake.fake_fail(Buffer.from("\0"), 0, 0);
  return {
    error,
    left: { objects: fake.fake_open() - before.objects, descriptors: openDescriptors() - before.descriptors },
    order: new CString(fake.fake_order()!).toString().trim(),
  };
}

const uuid = (hex: string) => Uint8Array.fromHex(hex);
const use = () => importIntoCuda(buffer)[Symbol.dispose]();

/** A copy from the memory of one GPU, exported by another process, to that of this one's GPU: what a channel does. */
function peerCopy(polls: number): number {
  const os = new BigInt64Array(new ArrayBuffer(8));
  must(shim.lf_memory_export(nativeMemory(buffer), os));
  const source = must(shim.lf_cuda_import_os_handle(Number(os[0]), 1 << 20, 1 << 20, uuid(OTHER)));
  try {
    const target = must(shim.lf_cuda_import(nativeMemory(copy)));
    try {
      fake.fake_pending(polls);
      must(shim.lf_cuda_copy(target, 0, source, 0, 1 << 20));
      let asked = 0;
      while (must(shim.lf_cuda_copied(target)) === 0) asked++;
      return asked;
    } finally {
      must(shim.lf_cuda_close(target));
    }
  } finally {
    must(shim.lf_cuda_close(source));
  }
}
const copy = allocator.allocate(1 << 20, { kind: "gpu", device: 0 });
await copy.fill(0);

const outcomes: Record<string, Outcome> = {};
outcomes.import = await outcomeOf(use);
for (const [name, code] of [
  ["cuImportExternalMemory", 999],
  ["cuImportExternalMemory", 2],
  ["cuImportExternalMemory", 719],
  ["cuExternalMemoryGetMappedBuffer", 999],
  ["cuDevicePrimaryCtxRetain", 999],
  ["cuCtxPushCurrent_v2", 999],
  ["cuDeviceGetUuid", 999],
] as const) {
  outcomes[`${name} ${code}`] = await outcomeOf(use, [name, code]);
}

let asked = -1;
outcomes.peer = await outcomeOf(() => (asked = peerCopy(3)));
const copied = new Uint8Array(4);
await copy.read(copied);
for (const name of ["cuStreamCreate", "cuEventCreate", "cuMemcpyPeerAsync", "cuEventRecord", "cuCtxEnablePeerAccess"]) {
  outcomes[`peer ${name}`] = await outcomeOf(() => peerCopy(0), [name, name === "cuCtxEnablePeerAccess" ? 217 : 999]);
}
outcomes["foreign of no GPU here"] = await outcomeOf(() => {
  const os = new BigInt64Array(new ArrayBuffer(8));
  must(shim.lf_memory_export(nativeMemory(buffer), os));
  must(shim.lf_cuda_import_os_handle(Number(os[0]), 1 << 20, 1 << 20, new Uint8Array(16)));
});
outcomes["foreign too large"] = await outcomeOf(() => {
  const os = new BigInt64Array(new ArrayBuffer(8));
  must(shim.lf_memory_export(nativeMemory(buffer), os));
  must(shim.lf_cuda_import_os_handle(Number(os[0]), 1 << 20, (1 << 20) + 1, uuid(OTHER)));
});

{
  using cu = new CudaDevice(deviceUuid);
  using memory = cu.allocateExportable(1 << 21);
  using plain = cu.allocate(4096);
  cu.write(memory.pointer, new Uint8Array(1 << 21).fill(3));
  const from = async () => {
    const { buffer: got, aliased, reason } = await importFromCuda(allocator, memory.pointer, 1 << 21);
    const bytes = new Uint8Array(1 << 21);
    await got.read(bytes);
    got.close();
    if (bytes.some((byte) => byte !== 3)) throw new Error("other bytes");
    if (!aliased) throw new LavaFlowError("EXTERNAL_MEMORY_UNSUPPORTED", reason);
  };
  outcomes.alias = await outcomeOf(from);
  fake.fake_wrong_alias(1);
  outcomes["wrong alias"] = await outcomeOf(from);
  fake.fake_wrong_alias(0);
  outcomes["cuMemExportToShareableHandle 999"] = await outcomeOf(from, ["cuMemExportToShareableHandle", 999]);
  outcomes["cuMemRelease 999"] = await outcomeOf(from, ["cuMemRelease", 999]);
  const copyOfPlain = async () => (await importFromCuda(allocator, plain.pointer, 4096)).buffer.close();
  outcomes.copy = await outcomeOf(copyOfPlain);
  outcomes["copy cuMemcpyDtoDAsync_v2 999"] = await outcomeOf(copyOfPlain, ["cuMemcpyDtoDAsync_v2", 999]);
}

const viable = [
  shim.lf_cuda_peer_viable(uuid(OTHER), uuid(deviceUuid)),
  shim.lf_cuda_peer_viable(uuid(deviceUuid), uuid(deviceUuid)),
  shim.lf_cuda_peer_viable(uuid(deviceUuid), new Uint8Array(16)),
];
export type Told = {
  outcomes: Record<string, Outcome>;
  asked: number;
  copied: number[];
  viable: number[];
  open: number;
};
const told: Told = { outcomes, asked, copied: [...copied], viable, open: fake.fake_open() };
console.log(JSON.stringify(told));
