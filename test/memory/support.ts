/** What several memory tests need. */
import { ptr } from "bun:ffi";
import { readdirSync, readFileSync } from "node:fs";
import { LavaFlowError } from "../../src/errors.ts";
import { type MemoryBuffer, nativeMemory } from "../../src/memory/buffer.ts";
import type { MemoryLocation, MemoryStrategy } from "../../src/memory/strategy.ts";
import { native } from "../../src/native/load.ts";
import { check } from "../../src/native/status.ts";

export const isLinux = process.platform === "linux";

/** Whether this machine binds memory to NUMA nodes, as the shim's own probe says. */
export const hasNuma = native().lf_numa_viable() === 1;

export const STANDARD: MemoryLocation = { kind: "host" };
export const SHARED: MemoryLocation = { kind: "host", shared: true };
export const HUGEPAGES: MemoryLocation = { kind: "host", hugepages: true };
export const NODE_0: MemoryLocation = { kind: "host", numaNode: 0 };

/** The strategies that this machine has for certain, with the location that asks for each. */
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

export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

export function residentBytes(): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readText("/proc/self/status"))![1]) * 1024;
}

export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
