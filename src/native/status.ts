/** Makes a LavaFlowError of the shim's last failure. */
import { ERROR_CODES } from "../error-codes.ts";
import { type ErrorCode, LavaFlowError } from "../errors.ts";
import { cString } from "./c-string.ts";
import { STATUS } from "./layout.ts";
import type { Shim } from "./symbols.ts";

const REMEDIES: Partial<Record<ErrorCode, string>> = {
  HOST_OUT_OF_MEMORY: "Ask for less, close buffers that are no longer used, or raise the memory limit",
  GPU_OUT_OF_MEMORY: "Ask for less, close GPU buffers that are no longer used, or give a fallback in host memory",
  GPU_PINNING_FAILED:
    "Ask for another kind of host memory, or give a fallback; where the limit of locked memory is the reason, raise it (ulimit -l)",
  GPU_DEVICE_NOT_FOUND:
    'Install the GPU\'s Vulkan driver (Debian and Ubuntu: apt install mesa-vulkan-drivers), name one of MemoryAllocator.topology.gpus, or use host memory: { kind: "host" }',
  GPU_DEVICE_LOST:
    "Close what uses this GPU and make it anew; the system's log (dmesg) tells what happened, a driver's fault or a shader that never ends for example",
  EXTERNAL_MEMORY_UNSUPPORTED:
    "Copy through host memory instead, or use a GPU whose driver shares this (`lava-flow doctor` shows which)",
  EXTERNAL_HANDLE_MISMATCH: "Import it on the GPU that exported it, and with the same driver",
  BACKEND_UNAVAILABLE: "Use another one: `lava-flow doctor` shows what this machine offers, and why not the rest",
  NAME_IN_USE: "Close the other one, or choose another name",
  PERMISSION_DENIED:
    "Run both processes as the same user, with a runtime directory that only this user can write to (LAVA_FLOW_RUNTIME_DIR)",
  WIRE_VERSION_MISMATCH: "Use the same version of lava-flow on both sides",
  CORRUPT_SEGMENT: "Close the channel: the peer is broken or hostile",
  PEER_DIED: "Open the channel again to meet the peer's next start",
  MPI_UNAVAILABLE:
    "Use the MPI library whose launcher (mpirun) starts the processes: install it (Debian and Ubuntu: apt install openmpi-bin, or mpich), or name it with LAVA_FLOW_MPI=/path/to/libmpi.so",
  MPI_FAILED:
    "Look at what the launcher and the other ranks say; MPI can't be trusted after a failure: end the job and start it again",
  HUGEPAGES_UNAVAILABLE: "Reserve huge pages (sysctl vm.nr_hugepages=N), or enable transparent ones",
  NUMA_NODE_NOT_FOUND: "Use one of the nodes in MemoryAllocator.topology",
};

/** The remedy for every error with this code; undefined where there is none. */
export function remedyFor(code: ErrorCode): string | undefined {
  return REMEDIES[code];
}

/** Remedies by errno, for every call. */
const ERRNO_REMEDIES: Record<number, string> = {
  23: "Too many files are open on this machine (sysctl fs.file-max)",
  24: "Raise the limit of open files (ulimit -n), or close channels and buffers",
};

const scratch = new Uint8Array(new ArrayBuffer(STATUS.sizeof));
const numbers = new Int32Array(scratch.buffer);

/** The failure of this thread's last call to the shim; `remedyElse` is for a code without a remedy of its own. */
export function lastError(shim: Shim, what?: string, remedyElse?: string): LavaFlowError {
  shim.lf_status_last(scratch);
  const code = ERROR_CODES[-(numbers[STATUS.code / 4] as number) - 1] ?? "SYSTEM";
  const status = numbers[STATUS.native_status / 4] as number;
  const api = cString(scratch, STATUS.api, STATUS.text);
  const text = cString(scratch, STATUS.text, STATUS.sizeof);
  const errno = code === "SYSTEM" && process.platform !== "win32";
  const remedy = (errno ? ERRNO_REMEDIES[status] : undefined) ?? REMEDIES[code] ?? remedyElse;
  return new LavaFlowError(code, what ? `${what}: ${text}` : text, {
    ...(api ? { native: { api, status, text } } : {}),
    ...(remedy ? { remedy } : {}),
  });
}

/** Returns `result`; throws the failure if it is negative. */
export function check(shim: Shim, result: number, what?: string, remedy?: string): number {
  if (result < 0) throw lastError(shim, what, remedy);
  return result;
}
