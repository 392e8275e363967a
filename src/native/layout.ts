/** Made from shim/include/lavaflow.h by scripts/boundary.ts: sizes and offsets of its structs, in bytes, and its constants. */

// biome-ignore-start format: one line each
export const STATUS = {
  sizeof: 512,
  code: 0,
  native_status: 4,
  api: 8,
  text: 64,
} as const;

export const MEMORY_INFO = {
  sizeof: 56,
  address: 0,
  size: 8,
  allocated: 16,
  page_bytes: 24,
  handle: 32,
  strategy: 36,
  numa_node: 40,
  hugetlb: 44,
  pinned_by: 48,
  beyond_bar: 52,
} as const;

export const GPU_INFO = {
  sizeof: 856,
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
  workgroup_max: 848,
  shader_features: 852,
} as const;

export const STAGED_READ = {
  sizeof: 16,
  value: 0,
  token: 8,
  reserved: 12,
} as const;

export const STEP = {
  sizeof: 64,
  kind: 0,
  no_barrier: 4,
  pipeline: 8,
  groups: 12,
  memory: 16,
  offset: 20,
  bytes: 24,
  to: 28,
  to_offset: 32,
  push: 36,
} as const;

export const RENDEZVOUS_INFO = {
  sizeof: 8,
  refused: 0,
  last_uid: 4,
} as const;

export const ROLE_HOLDER = {
  sizeof: 296,
  since_ms: 0,
  left_ms: 8,
  state: 16,
  pid: 20,
  here: 24,
  met: 28,
  call_site_bytes: 32,
  call_site: 36,
} as const;

export const LINK_MESSAGE = {
  sizeof: 8,
  kind: 0,
  length: 4,
} as const;

export const LOAN = {
  sizeof: 16,
  region: 0,
  block: 4,
  offset: 8,
} as const;

export const FRAME = {
  sizeof: 160,
  payload: 0,
  region: 120,
  token: 124,
  offset: 128,
  length: 136,
  sequence: 144,
  reach: 152,
  reserved: 156,
} as const;

export const REGION_INFO = {
  sizeof: 40,
  address: 0,
  size: 8,
  allocation: 16,
  memory: 24,
  kind: 28,
  host_visible: 32,
  reserved: 36,
} as const;

export const END_STATS = {
  sizeof: 64,
  queued: 0,
  regions: 8,
  region_bytes: 16,
  imports: 24,
  peer: 32,
  frames: 40,
  bytes: 48,
  held: 56,
} as const;

export const MPI_INFO = {
  sizeof: 520,
  implementation: 0,
  version: 64,
  library: 128,
  kind: 512,
  standard: 516,
} as const;

export const LAUNCH_INFO = {
  sizeof: 528,
  standing: 0,
  rank: 4,
  size: 8,
  open_mpi: 12,
  job: 16,
  reason: 144,
} as const;

export const JOB_INFO = {
  sizeof: 296,
  rank: 0,
  size: 4,
  node: 8,
  node_size: 12,
  ours: 16,
  reserved: 20,
  id: 24,
  processor: 40,
} as const;

export const METAL_INFO = {
  sizeof: 272,
  name: 0,
  buffer_max: 256,
  workgroup_max: 264,
  reserved: 268,
} as const;

export const BOX = {
  sizeof: 36,
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
  LF_ABI_VERSION: 7,
  LF_WIRE_VERSION: 6,
  LF_UUID_BYTES: 16,
  LF_STEP_PIPELINES_MAX: 32,
  LF_SCOPE_MAX: 16,
  LF_CALL_SITE_MAX_BYTES: 256,
  LF_LINK_MESSAGE_MAX: 16384,
  LF_INLINE_MAX: 120,
  LF_LEASE_KEY_MAX: 264,
  LF_LEASE_VALUE_MAX: 255,
  LF_FRAGMENT_BYTES: 4194304,
  LF_VALUE: 1073741824,
  LF_FULL: 1073741825,
  LF_EMPTY: 1073741826,
  LF_TIMEOUT: 1073741827,
  LF_REGION: 1073741828,
  LF_RETIRE: 1073741829,
  LF_PENDING: 1073741830,
  LF_MEMORY_STANDARD: 0,
  LF_MEMORY_NUMA: 1,
  LF_MEMORY_HUGEPAGES: 2,
  LF_MEMORY_SHARED: 3,
  LF_MEMORY_GPU: 4,
  LF_MEMORY_GPU_PINNED: 5,
  LF_PINNED_BY_NONE: 0,
  LF_PINNED_BY_VULKAN: 1,
  LF_PINNED_BY_CUDA: 2,
  LF_GPU_DISCRETE: 0,
  LF_GPU_INTEGRATED: 1,
  LF_GPU_CPU: 2,
  LF_GPU_OTHER: 3,
  LF_SHADER_F16: 1,
  LF_SHADER_SUBGROUP_F16: 2,
  LF_SHADER_SUBGROUP_BASIC: 256,
  LF_SHADER_SUBGROUP_VOTE: 512,
  LF_SHADER_SUBGROUP_ARITHMETIC: 1024,
  LF_SHADER_SUBGROUP_BALLOT: 2048,
  LF_SHADER_SUBGROUP_SHUFFLE: 4096,
  LF_SHADER_SUBGROUP_SHUFFLE_RELATIVE: 8192,
  LF_SHADER_SUBGROUP_QUAD: 32768,
  LF_STEP_DISPATCH: 0,
  LF_STEP_INDIRECT: 1,
  LF_STEP_ZERO: 2,
  LF_STEP_COPY: 3,
  LF_SEMAPHORE_TIMELINE: 0,
  LF_SEMAPHORE_BINARY: 1,
  LF_ROLE_PRODUCER: 0,
  LF_ROLE_CONSUMER: 1,
  LF_HOLDER_HAS: 0,
  LF_HOLDER_LEFT: 1,
  LF_HOLDER_DIED: 2,
  LF_REACH_LOCAL: 0,
  LF_REACH_STAGED: 1,
  LF_REACH_REMOTE: 2,
  LF_REGION_POOLED: 0,
  LF_REGION_HOST: 1,
  LF_REGION_GPU: 2,
  LF_UNTIL_CREDITS: 0,
  LF_UNTIL_RELEASED: 1,
  LF_UNTIL_SENT: 2,
  LF_MPI_STANDARD_ABI: 0,
  LF_MPI_OPEN_MPI: 1,
  LF_MPI_MPICH: 2,
  LF_MPI_MICROSOFT: 3,
  LF_LAUNCH_NONE: 0,
  LF_LAUNCH_RANK: 1,
  LF_LAUNCH_PLAIN: 2,
  LF_JOB_NOTHING: 0,
  LF_JOB_RANKS: 1,
  LF_JOB_NETWORK: 2,
  LF_PUT_SHARED: 0,
  LF_PUT_EXCLUSIVE: 1,
  LF_PUT_LISTENING: 2,
} as const;
// biome-ignore-end format: one line each
