/** What several memory tests need. */
import { ptr } from "bun:ffi";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { LavaFlowError } from "../../src/errors.ts";
import { type MemoryBuffer, nativeMemory } from "../../src/memory/buffer.ts";
import type { MemoryLocation, MemoryStrategy } from "../../src/memory/strategy.ts";
import { native } from "../../src/native/load.ts";
import { check } from "../../src/native/status.ts";
import type { Told } from "../process/memory-peer.ts";

export const isLinux = process.platform === "linux";

/** Whether this machine binds memory to NUMA nodes, as the shim's own probe says. */
export const hasNuma = native().lf_numa_viable() === 1;

export const STANDARD: MemoryLocation = { kind: "host" };
export const SHARED: MemoryLocation = { kind: "host", shared: true };
export const HUGEPAGES: MemoryLocation = { kind: "host", hugepages: true };
export const NODE_0: MemoryLocation = { kind: "host", numaNode: 0 };

/** The strategies that every call gets on this machine, each with its location. */
export const STRATEGIES: [MemoryStrategy, MemoryLocation][] = [
  ["standard", STANDARD],
  ["shared", SHARED],
  ...(transparentHugepages() ? ([["hugepages", HUGEPAGES]] as [MemoryStrategy, MemoryLocation][]) : []),
  ...(hasNuma ? ([["numa", NODE_0]] as [MemoryStrategy, MemoryLocation][]) : []),
];

export function transparentHugepages(): boolean {
  const mode = isLinux ? readText("/sys/kernel/mm/transparent_hugepage/enabled") : "";
  return mode !== "" && !mode.includes("[never]");
}

/** The LavaFlowError that `run` throws. */
export function failureOf(run: () => unknown): LavaFlowError {
  try {
    run();
  } catch (error) {
    if (error instanceof LavaFlowError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** The LavaFlowError that `promise` rejects with. */
export async function rejectionOf(promise: Promise<unknown>): Promise<LavaFlowError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof LavaFlowError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

export function addressOf(buffer: MemoryBuffer): number {
  return Number(ptr(buffer.bytes));
}

/** The node of each of the first `count` pages, as the kernel says it. */
export function nodesOf(buffer: MemoryBuffer, count: number): number[] {
  const nodes = new Int32Array(new ArrayBuffer(4 * count));
  check(native(), native().lf_memory_nodes(nativeMemory(buffer), count, nodes));
  return [...nodes];
}

/** Open files and shared memory. Pipes and sockets of the test runner come and go as they like. */
export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").filter((fd) => linkOf(`/proc/self/fd/${fd}`).startsWith("/")).length;
}

export function residentBytes(): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readText("/proc/self/status"))![1]) * 1024;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // Closed meanwhile.
  }
}

export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

const PEER = join(import.meta.dir, "../process/memory-peer.ts");

/** The command of a child process with a task of memory-peer.ts. */
export function peerCommand(task: string, ...args: (string | number | MemoryLocation)[]): string[] {
  const words = args.map((arg) => (typeof arg === "object" ? JSON.stringify(arg) : String(arg)));
  return [process.execPath, PEER, task, ...words];
}

/** A command as one line for a shell. */
export function shellLine(command: string[]): string {
  return command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
}

/** Runs a command whose last step is memory-peer.ts, and returns the peer's report. */
export async function tellOf(
  command: string[],
  env: Record<string, string> = {},
): Promise<Told & { warnings: string }> {
  await using child = Bun.spawn(command, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
    timeout: 120_000,
  });
  const [out, warnings] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (child.exitCode !== 0) throw new Error(`ended with ${child.exitCode ?? child.signalCode}: ${warnings || out}`);
  return { ...(JSON.parse(out) as Told), warnings };
}

/** The fields of /proc/self/smaps for the mapping at `address`, in bytes; undefined where nothing is mapped. */
export function mappingOf(address: number): Record<string, number> | undefined {
  let found: Record<string, number> | undefined;
  for (const line of readText("/proc/self/smaps").split("\n")) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (range) {
      if (found) return found;
      if (Number(`0x${range[1]}`) <= address && address < Number(`0x${range[2]}`)) found = {};
    } else if (found) {
      const field = /^(\w+):\s+(\d+) kB/.exec(line);
      if (field) found[field[1]!] = Number(field[2]) * 1024;
    }
  }
  return found;
}
