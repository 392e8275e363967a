/** The capabilities of two sides with GPUs, and the path of buffers between them. */
import { LavaFlowError } from "../../errors.ts";
import { gpuInUse } from "../../memory/allocator.ts";
import { printable } from "./peer-text.ts";
import type { Negotiation, Party } from "./transport.ts";

/** The GPU of a side. */
export interface GpuCapability {
  name: string;
  /** 16 bytes each, as hex. */
  deviceUuid: string;
  driverUuid: string;
  /** The driver can share timeline semaphores. */
  timeline: boolean;
}

/** Why a side has no GPU. */
export interface NoGpu {
  missing: string;
}

export interface Gpus {
  producer: GpuCapability | NoGpu;
  consumer: GpuCapability | NoGpu;
}

/** Whether a side requests that buffers on a GPU stay on a GPU. */
export function asksForGpu({ profile, location, allocator }: Party): boolean {
  return profile === "gpu-preferred" || location.deviceId !== undefined || gpuInUse(allocator);
}

const UUID = /^[0-9a-f]{32}$/;

/** Every field is checked: the value comes from another process. */
function readCapability(value: unknown): GpuCapability | NoGpu {
  const said = value as Partial<Record<keyof (GpuCapability & NoGpu), unknown>> | null;
  if (typeof said !== "object" || said === null) return { missing: "no side requested it" };
  if (typeof said.missing === "string") return { missing: printable(said.missing) };
  const { name, deviceUuid, driverUuid, timeline } = said;
  if (typeof name !== "string" || typeof timeline !== "boolean" || !isUuid(deviceUuid) || !isUuid(driverUuid)) {
    return { missing: "it says nothing valid of its GPU" };
  }
  return { name: printable(name), deviceUuid, driverUuid, timeline };
}

function isUuid(value: unknown): value is string {
  return typeof value === "string" && UUID.test(value);
}

export function gpusOf(negotiation: Negotiation): Gpus {
  const { mine, peer } = negotiation.capabilities("vulkan");
  const here = readCapability(mine);
  const there = readCapability(peer);
  return negotiation.role === "producer" ? { producer: here, consumer: there } : { producer: there, consumer: here };
}

/** Both GPUs of two sides that have one. */
export function bothGpus(negotiation: Negotiation): { producer: GpuCapability; consumer: GpuCapability } {
  return gpusOf(negotiation) as { producer: GpuCapability; consumer: GpuCapability };
}

/** Whether both sides have the same GPU and driver: then each can import what the other exports. */
export function sameGpu({ producer, consumer }: { producer: GpuCapability; consumer: GpuCapability }): boolean {
  return producer.deviceUuid === consumer.deviceUuid && producer.driverUuid === consumer.driverUuid;
}

/**
 * direct: the consumer imports the producer's memory. cuda: the consumer copies from the producer's GPU to its own. staged:
 * the producer copies into shared memory, and the consumer from there to its own GPU.
 */
export type Path = "direct" | "cuda" | "staged";

export interface GpuPath {
  path: Path;
  /** Why no faster path serves. */
  why: string;
}

/** The path that the consumer selected. CORRUPT_SEGMENT if it is invalid. */
export function readPath(value: unknown, gpus: { producer: GpuCapability; consumer: GpuCapability }): GpuPath {
  const { path, why } = (value ?? {}) as { path?: unknown; why?: unknown };
  const fits = sameGpu(gpus) ? path === "direct" : path === "cuda" || path === "staged";
  if (fits && typeof why === "string") return { path: path as Path, why: printable(why) };
  throw new LavaFlowError("CORRUPT_SEGMENT", "the consumer accepted a GPU channel with an invalid path");
}

export function describePath(
  { path, why }: GpuPath,
  gpus: { producer: GpuCapability; consumer: GpuCapability },
): string {
  const { producer, consumer } = gpus;
  if (path === "direct") {
    const order =
      producer.timeline && consumer.timeline
        ? "their queues keep order by a shared timeline"
        : "work is waited for before a buffer is sent, as the driver shares no timelines";
    return `both sides use the same GPU (${producer.name}, by its UUID), and ${order}`;
  }
  const pair = `two GPUs of one host (${producer.name}, ${consumer.name})`;
  return path === "cuda"
    ? `${pair}: the consumer copies buffers to its own by CUDA peer copy`
    : `${pair}: buffers on a GPU are staged through shared memory (${why})`;
}
