/**
 * What a test needs of the machine and may not find there. A skip always says why, and LAVA_FLOW_REQUIRE (a comma list
 * of these names) turns it into a failure: that is how CI makes sure that nothing is skipped by accident.
 */
const FEATURES = {
  linux: "Linux: what only its kernel offers",
  posix: "a system with file descriptors, which Windows is not",
  shm: "shared memory that a descriptor carries: no test does without it, so it is never skipped",
  numa: "a kernel with NUMA support, and libnuma",
  hugepages: "reserved huge pages, or the right to reserve them",
  "transparent-hugepages": "a kernel that makes huge pages of ordinary memory",
  cgroup: "a control group for memory that a test may make",
  root: "the right to act as another user",
  tsan: "ThreadSanitizer's run-time support",
  wine: "Wine, to run the Windows programs",
  proc: "/proc, to look at a process from outside",
  memory: "several gigabytes of free memory",
  zig: "the Zig compiler",
  node: "Node.js, to see what the package says there",
  vulkan: "a Vulkan library with a GPU, a software one (Mesa's lavapipe) at least",
  validation: "Vulkan's validation layer",
  "software-gpu": "no GPU in hardware, but a software one",
  gpu: "a GPU in hardware",
  "gpu-timeline": "a GPU whose driver shares semaphores between processes, timelines and binary ones",
  "gpu-f16": "a GPU whose shaders compute with 16-bit floats",
  "gpu-subgroups": "a GPU whose compute shaders have subgroups",
  "two-gpus": "two GPUs in hardware on one host",
  cuda: "CUDA and a GPU that it sees",
  opencl: "OpenCL and a GPU that shares memory with it",
  opengl: "OpenGL and a GPU that shares memory with it",
  openmpi: "Open MPI and its launcher",
  mpich: "MPICH and its launcher",
  ucx: "Open MPI with its pml for UCX",
  namespaces: "the right to make network namespaces, and iproute2 to do it: hosts on one machine",
  slurm: "SLURM and munge, with the right to run them as root in namespaces",
  "no-metal": "a system without Metal, where it is refused",
  chromium: "a browser without a screen, and its driver (chromium and chromedriver)",
  netem: "a kernel that delays and loses packets when told to (tc netem)",
} as const;

export type Feature = keyof typeof FEATURES;

/** Those that only a Vulkan library can give. */
export const GPU_FEATURES: readonly Feature[] = [
  "vulkan",
  "validation",
  "gpu",
  "gpu-timeline",
  "gpu-f16",
  "gpu-subgroups",
  "two-gpus",
  "cuda",
  "opencl",
  "opengl",
];

/** The features that LAVA_FLOW_REQUIRE names. An unknown name would require nothing in silence: it is an error. */
export function required(list: string = process.env.LAVA_FLOW_REQUIRE ?? ""): Set<Feature> {
  const names = list
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  for (const name of names) {
    if (!Object.hasOwn(FEATURES, name)) {
      throw new Error(
        `LAVA_FLOW_REQUIRE names ${JSON.stringify(name)}; it may name ${Object.keys(FEATURES).join(", ")}`,
      );
    }
  }
  return new Set(names as Feature[]);
}

const told = new Set<string>();

/**
 * True when the feature is there. When it is not: an error if it is required, else false, with the reason printed once
 * a process as `skip FEATURE: REASON` (scripts/check.ts repeats those lines).
 */
export function requires(feature: Feature, available: boolean, reason: string): boolean {
  const needed = required().has(feature);
  if (available) return true;
  const line = `${feature}: ${reason}`;
  if (needed) throw new Error(`LAVA_FLOW_REQUIRE asks for ${line}`);
  if (!told.has(line)) console.error(`skip ${line}`);
  told.add(line);
  return false;
}

export const onLinux = (): boolean => requires("linux", process.platform === "linux", `this is ${process.platform}`);
export const onPosix = (): boolean => requires("posix", process.platform !== "win32", "this is Windows");
