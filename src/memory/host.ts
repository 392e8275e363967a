/** Host memory of each kind. */
import { CONSTANTS } from "../native/layout.ts";
import { native } from "../native/load.ts";
import { lastError } from "../native/status.ts";
import { described, info, NativeMemory, type Owner } from "./memory.ts";

export type HostStrategy = "standard" | "numa" | "hugepages" | "shared";

const CODES: Record<HostStrategy, number> = {
  standard: CONSTANTS.LF_MEMORY_STANDARD,
  numa: CONSTANTS.LF_MEMORY_NUMA,
  hugepages: CONSTANTS.LF_MEMORY_HUGEPAGES,
  shared: CONSTANTS.LF_MEMORY_SHARED,
};

/** Zeroed memory. `numaNode` is for the strategy `numa`; -1 is the node of this thread's processor. */
export function allocateHost(strategy: HostStrategy, sizeBytes: number, numaNode: number, owner: Owner): NativeMemory {
  const shim = native();
  if (shim.lf_memory_allocate(CODES[strategy], sizeBytes, numaNode, info) < 0) throw lastError(shim, strategy);
  return new NativeMemory(described(), null, owner);
}

/** Shared memory of another process. Takes over the OS handle, also when it fails. */
export function importHost(osHandle: number | bigint, sizeBytes: number, owner: Owner): NativeMemory {
  const shim = native();
  if (shim.lf_memory_import(osHandle, sizeBytes, info) < 0) throw lastError(shim, "import");
  return new NativeMemory(described(), null, owner);
}
