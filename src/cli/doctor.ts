/** `lava-flow doctor`: reports the features of this machine, or of a job's machines, the missing ones, and their remedies. */
import { type Command, parse, print } from "./command.ts";
import { binaryBytes, count, row } from "./format.ts";
import { examineJob, isRank } from "./job.ts";
import { describeJob } from "./job-report.ts";
import { examine, type Gpu, type Limit, type Machine } from "./machine.ts";

const usage = `Usage: lava-flow doctor [--json]

Shows the features of this machine that lava-flow uses. Then shows each missing
feature with the reason and the remedy. The exit code is 1 only if the native
part can't be loaded.

Under mpirun, srun or another launcher, rank 0 prints one report of the job: all
ranks, and the transport of a channel between each two.

  --json  prints one JSON object`;

async function run(args: string[]): Promise<number> {
  const { values } = parse(args, { json: { type: "boolean" } }, [0, 0]);
  const machine = examine();
  if (isRank(machine)) {
    const report = await examineJob(machine);
    if (report) print(values.json ? JSON.stringify(report, null, 2) : describeJob(report));
    return 0;
  }
  print(values.json ? JSON.stringify(machine, null, 2) : describe(machine));
  return machine.shim ? 0 : 1;
}

function describe(machine: Machine): string {
  const { platform, shim, memory, sharedMemory, location } = machine;
  const limit = memory.limitBytes > 0 ? ` of ${binaryBytes(memory.limitBytes)}` : "";
  const system = `${platform.distribution ?? platform.os}, ${platform.os} ${platform.release}`;
  const rows = [
    row("lava-flow", machine.version),
    row("platform", `${system}, ${platform.arch}, ${platform.cpus} CPUs`),
    row("bun", platform.bun),
    row("shim", shim ? `${shim.path}` : "can't be loaded", ...(shim ? [`ABI version ${shim.abiVersion}`] : [])),
    row("memory", `${binaryBytes(memory.availableBytes)}${limit} available`),
    row("numa", numaText(machine)),
    row("huge pages", ...hugepageTexts(machine)),
    row("shared", ...sharedTexts(sharedMemory)),
    row("runtime dir", ...meetingTexts(machine)),
    row("membarrier", answer(machine.membarrier, "yes: a message costs no fence", "no")),
    row("host", ...hostTexts(location)),
    ...gpuRows(machine),
    ...machine.interop.map(({ api, viable, reason }) =>
      row(api, viable ? `shares GPU memory: ${reason}` : `no: ${reason}`),
    ),
    row("kernels", ...kernelTexts(machine)),
    row("mpi", machine.mpi ? `${machine.mpi.implementation} ${machine.mpi.version}, ${machine.mpi.library}` : "none"),
  ];
  const missing = machine.missing.map(({ feature, reason, remedy }) => {
    return row(feature, reason, ...(remedy ? [`→ ${remedy}`] : []));
  });
  return [...rows, ...(missing.length > 0 ? ["\nMissing:", ...missing] : ["\nNothing is missing."])].join("\n");
}

/** `value` is null if it can't be known without the shim. */
function answer(value: boolean | null, yes: string, no: string): string {
  return value === null ? "not known" : value ? yes : no;
}

function numaText({ numaNodes }: Machine): string {
  const nodes = numaNodes.map(({ id, freeBytes, totalBytes }) => {
    return `node ${id} with ${binaryBytes(freeBytes)} of ${binaryBytes(totalBytes)} free`;
  });
  return nodes.join(", ") || "this system has no nodes";
}

function hugepageTexts({ hugepages, transparentHugepages }: Machine): string[] {
  const sizes = hugepages.map((size) => `${binaryBytes(size.sizeBytes)}: ${size.free} of ${size.total} free`);
  const { private: own, shared } = transparentHugepages;
  const transparent = own ? [`transparent: ${own}; for shared memory: ${shared ?? "not known"}`] : [];
  return sizes.length + transparent.length > 0 ? [...sizes, ...transparent] : ["none on this system"];
}

function sharedTexts({ works, devShm, lockedBytes, openFiles }: Machine["sharedMemory"]): string[] {
  const texts = [answer(works, "works: a segment was allocated and mapped", "does not work")];
  if (devShm) {
    const note = process.platform === "linux" ? " (no limit for lava-flow)" : "";
    texts.push(`/dev/shm: ${binaryBytes(devShm.freeBytes)} of ${binaryBytes(devShm.totalBytes)} free${note}`);
  }
  if (openFiles) texts.push(`open files: ${limitText(openFiles, count)}`);
  if (lockedBytes) texts.push(`locked memory: ${limitText(lockedBytes, binaryBytes)}`);
  return texts;
}

function limitText({ soft, hard }: Limit, show: (value: number) => string): string {
  const now = soft === null ? "no limit" : show(soft);
  return soft === hard ? now : `${now}, can be raised to ${hard === null ? "any" : show(hard)}`;
}

function meetingTexts({ runtimeDirectory: { path, passedOver, usable, mode, ownerUid } }: Machine): string[] {
  const rights = mode ? `, mode ${mode}, owner ${ownerUid}` : "";
  return [path, `${answer(usable, "usable", "not usable")}${rights}`, ...passedOver];
}

function hostTexts({ hostname, hostId, hostIdOverridden, nodeId }: Machine["location"]): string[] {
  const source = hostIdOverridden ? "set in LAVA_FLOW_HOST_ID" : "of the running kernel";
  const rule = hostId
    ? "Peers with this id are local, others are remote"
    : "Peers with this hostname are local, others are remote";
  return [
    hostname,
    hostId ? `id ${hostId} (${source})` : "no id of the running kernel",
    ...(nodeId ? [`node ${nodeId}`] : []),
    nodeId ? `${rule}. The node decides for peers without an id.` : `${rule}.`,
  ];
}

function gpuRows({ gpus, shim }: Machine): string[] {
  if (gpus.length === 0) return [row("gpus", shim ? "none" : "not known")];
  return gpus.map((gpu) => row(`gpu ${gpu.index}`, ...gpuTexts(gpu)));
}

function gpuTexts(gpu: Gpu): string[] {
  const kind = gpu.type === "cpu" ? "a software device, used only when it is named" : gpu.type;
  const texts = [`${gpu.name}, ${kind}`, `${gpu.driver}, Vulkan ${gpu.apiVersion}`];
  if (gpu.missing) return [...texts, `can't be used: ${gpu.missing}`];
  const free = gpu.freeBytes === null ? "free bytes not known" : `${binaryBytes(gpu.freeBytes)} free`;
  const shared = [
    gpu.externalMemory ? "memory" : "",
    gpu.externalTimeline ? "timeline semaphores" : "",
    gpu.externalSemaphore ? "binary semaphores" : "",
  ].filter(Boolean);
  return [
    ...texts,
    `memory: ${binaryBytes(gpu.heapBytes)}, ${free}; ${gpu.hostVisibleDeviceLocal ? "can" : "can't"} be mapped`,
    `exports and imports: ${shared.join(", ") || "nothing"}`,
    `host memory: ${gpu.hostImport ? "can" : "can't"} be pinned for it`,
  ];
}

function kernelTexts({ kernels }: Machine): string[] {
  const texts = kernels.map(({ backend, viable, reason }) => `${backend}: ${viable ? "yes" : "no"}, ${reason}`);
  return texts.length > 0 ? texts : ["not known"];
}

export const doctor: Command = { usage, run };
