/**
 * The structs of shim/include/lavaflow.h as TypeScript reads them: sizes and offsets in bytes. test/native/layout.test.ts
 * compares every number with what the C compiler made of the headers (lf_layout_json).
 */

export const STATUS = { size: 512, code: 0, native_status: 4, api: 8, text: 64 } as const;

export const MEMORY_INFO = {
  size: 48,
  fields: { address: 0, size: 8, allocated: 16, page_bytes: 24, handle: 32, strategy: 36, numa_node: 40, hugetlb: 44 },
} as const;

export const RENDEZVOUS_INFO = { size: 8, refused: 0, last_uid: 4 } as const;

export const LINK_MESSAGE = { size: 8, kind: 0, length: 4 } as const;

export const LOAN = { size: 16, region: 0, block: 4, offset: 8 } as const;

export const FRAME = {
  size: 152,
  payload: 0,
  region: 120,
  token: 124,
  offset: 128,
  length: 136,
  sequence: 144,
} as const;

export const REGION_INFO = { size: 24, address: 0, bytes: 8, memory: 16 } as const;

export const PORT_STATS = {
  size: 56,
  queued: 0,
  regions: 8,
  region_bytes: 16,
  imports: 24,
  peer: 32,
  frames: 40,
  bytes: 48,
} as const;

export const CONSTANTS = {
  LF_ABI_VERSION: 1,
  LF_WIRE_VERSION: 1,
  LF_INLINE_MAX: 120,
  LF_LINK_MESSAGE_MAX: 16384,
  LF_VALUE: 0x40000000,
  LF_FULL: 0x40000001,
  LF_EMPTY: 0x40000002,
  LF_TIMEOUT: 0x40000003,
  LF_REGION: 0x40000004,
  LF_RETIRE: 0x40000005,
  LF_MEMORY_STANDARD: 0,
  LF_MEMORY_NUMA: 1,
  LF_MEMORY_HUGEPAGES: 2,
  LF_MEMORY_SHARED: 3,
  LF_ROLE_PRODUCER: 0,
  LF_ROLE_CONSUMER: 1,
} as const;
