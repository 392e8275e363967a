/**
 * The structs of shim/include/lavaflow.h as TypeScript reads them: sizes and offsets in bytes. test/native/layout.test.ts
 * compares every number with what the C compiler made of the headers (lf_layout_json).
 */

export const STATUS = { size: 512, code: 0, native_status: 4, api: 8, text: 64 } as const;

export const MEMORY_INFO = {
  size: 56,
  fields: {
    address: 0,
    size: 8,
    allocated: 16,
    page_bytes: 24,
    handle: 32,
    strategy: 36,
    numa_node: 40,
    hugetlb: 44,
    pinned_by: 48,
    beyond_window: 52,
  },
} as const;

export const GPU_INFO = {
  size: 848,
  name: 0,
  driver: 256,
  missing: 512,
  device_uuid: 768,
  driver_uuid: 784,
  heap_bytes: 800,
  allocation_max: 808,
  api_version: 816,
  type: 820,
  host_visible: 824,
  external_memory: 828,
  external_timeline: 832,
  external_semaphore: 836,
  host_import: 840,
  storage_max: 844,
} as const;

export const STAGED_READ = { size: 16, value: 0, place: 8, reserved: 12 } as const;

export const STEP = {
  size: 64,
  kind: 0,
  beside: 4,
  pipeline: 8,
  groups: 12,
  memory: 16,
  offset: 20,
  bytes: 24,
  to: 28,
  to_offset: 32,
  push: 36,
} as const;

export const RENDEZVOUS_INFO = { size: 8, refused: 0, last_uid: 4 } as const;

export const LINK_MESSAGE = { size: 8, kind: 0, length: 4 } as const;

export const METAL_INFO = { size: 264, name: 0, buffer_max: 256 } as const;

export const MPI_INFO = { size: 520, implementation: 0, version: 64, library: 128, kind: 512, standard: 516 } as const;

export const JOB_INFO = {
  size: 296,
  rank: 0,
  size_of_job: 4,
  node: 8,
  node_size: 12,
  ours: 16,
  reserved: 20,
  id: 24,
  processor: 40,
} as const;

export const LOAN = { size: 16, region: 0, block: 4, offset: 8 } as const;

export const FRAME = {
  size: 160,
  payload: 0,
  region: 120,
  token: 124,
  offset: 128,
  length: 136,
  sequence: 144,
  reach: 152,
} as const;

export const REGION_INFO = {
  size: 40,
  address: 0,
  bytes: 8,
  allocation: 16,
  memory: 24,
  kind: 28,
  host_visible: 32,
} as const;

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

/** Every field is a word of 4 bytes. */
export const BOX = {
  size: 36,
  source: 0,
  target: 4,
  x: 8,
  y: 12,
  z: 16,
  source_row: 20,
  source_plane: 24,
  target_row: 28,
  target_plane: 32,
} as const;

export const CONSTANTS = {
  LF_ABI_VERSION: 3,
  LF_WIRE_VERSION: 3,
  LF_INLINE_MAX: 120,
  LF_PIECE_BYTES: 0x400000,
  LF_LINK_MESSAGE_MAX: 16384,
  LF_VALUE: 0x40000000,
  LF_FULL: 0x40000001,
  LF_EMPTY: 0x40000002,
  LF_TIMEOUT: 0x40000003,
  LF_REGION: 0x40000004,
  LF_RETIRE: 0x40000005,
  LF_UNTIL_ROOM: 0,
  LF_UNTIL_RELEASED: 1,
  LF_UNTIL_SENT: 2,
  LF_PENDING: 0x40000006,
  LF_MEMORY_STANDARD: 0,
  LF_MEMORY_NUMA: 1,
  LF_MEMORY_HUGEPAGES: 2,
  LF_MEMORY_SHARED: 3,
  LF_MEMORY_GPU: 4,
  LF_MEMORY_GPU_PINNED: 5,
  LF_PINNED_BY_NONE: 0,
  LF_PINNED_BY_VULKAN: 1,
  LF_PINNED_BY_CUDA: 2,
  LF_UUID_BYTES: 16,
  LF_GPU_DISCRETE: 0,
  LF_GPU_INTEGRATED: 1,
  LF_GPU_CPU: 2,
  LF_GPU_OTHER: 3,
  LF_STEP_DISPATCH: 0,
  LF_STEP_INDIRECT: 1,
  LF_STEP_ZERO: 2,
  LF_STEP_COPY: 3,
  LF_STEP_PIPELINES_MAX: 32,
  LF_SEMAPHORE_TIMELINE: 0,
  LF_SEMAPHORE_BINARY: 1,
  LF_REGION_POOLED: 0,
  LF_REGION_HOST: 1,
  LF_REGION_GPU: 2,
  LF_REACH_HERE: 0,
  LF_REACH_STAGED: 1,
  LF_REACH_FOREIGN: 2,
  LF_ROLE_PRODUCER: 0,
  LF_ROLE_CONSUMER: 1,
} as const;
