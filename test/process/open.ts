/** How the sides of a test open their channels: over a GPU with an allocator that names one. */
import { listGpus } from "../../src/gpu/device.ts";
import {
  Channel,
  type ChannelOptions,
  type ChannelProfile,
  type Consumer,
  MemoryAllocator,
  type Producer,
  type TransportName,
} from "../../src/index.ts";

let onGpu: MemoryAllocator | undefined;

/**
 * One a thread, open until `closeGpu`: opening a GPU takes longer than most tests. The one that LAVA_FLOW_TEST_GPU names, else
 * the first in hardware, else a software one.
 */
export function gpuAllocator(): MemoryAllocator {
  if (onGpu) return onGpu;
  const usable = listGpus().filter(({ missing }) => missing === null);
  const named = process.env.LAVA_FLOW_TEST_GPU;
  const gpu =
    named === undefined
      ? (usable.find(({ type }) => type !== "cpu") ?? usable[0])
      : usable.find(({ index }) => index === Number(named));
  return (onGpu = new MemoryAllocator({ devices: gpu ? [gpu.index] : "none" }));
}

/** At the end of a file of tests: the ones that follow in this process find the GPU unused. */
export function closeGpu(): void {
  onGpu?.close();
  onGpu = undefined;
}

/** What a channel needs beside that is pinned to `transport`, or prefers a GPU. */
export function means(transport?: TransportName, profile?: ChannelProfile): { allocator?: MemoryAllocator } {
  return transport === "vulkan" || profile === "gpu-preferred" ? { allocator: gpuAllocator() } : {};
}

export function openChannel<Role extends "producer" | "consumer">(
  name: string,
  options: ChannelOptions & { role: Role },
): Promise<{ producer: Producer; consumer: Consumer }[Role]>;
export function openChannel(name: string, options: ChannelOptions): Promise<Producer | Consumer> {
  return Channel.open(name, { ...means(options.transport, options.profile), ...options });
}
