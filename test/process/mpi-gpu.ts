/** The receiving side of buffers on a GPU that come through MPI. */
import { Channel, type Frame, MemoryAllocator } from "../../src/index.ts";
import { gpuAllocator } from "./open.ts";
import { checksum } from "./payload.ts";
import type { Io } from "./peer.ts";

async function contentOf(frame: Frame): Promise<Uint8Array> {
  if (!frame.buffer?.isGpu) return frame.bytes;
  const bytes = new Uint8Array(frame.sizeBytes);
  await frame.buffer.read(bytes);
  return bytes;
}

/** Receives until the producer closes, and says of each frame what it was: how many bytes, which, and whether on a GPU. */
export async function receive(
  io: Io,
  { name, gpu, blocking = false }: { name: string; gpu: boolean; blocking?: boolean },
): Promise<void> {
  const allocator = gpu ? gpuAllocator() : new MemoryAllocator({ devices: "none" });
  await using channel = await Channel.open(name, {
    role: "consumer",
    transport: "mpi",
    allocator,
    profile: gpu ? "gpu-preferred" : "cpu-shared",
  });
  const tell = async (frame: Frame) => {
    const onGpu = frame.buffer?.isGpu === true;
    const content = await contentOf(frame);
    io.say({ size: frame.sizeBytes, sum: checksum(content), onGpu, sequence: frame.sequence });
    frame.release();
  };
  if (!blocking) {
    for await (const frame of channel) await tell(frame);
    return;
  }
  try {
    for (;;) {
      const frame = channel.recvSync();
      if (frame) await tell(frame);
    }
  } catch (error) {
    if ((error as { code?: string }).code !== "CHANNEL_CLOSED") throw error;
  }
}

/** Holds the first frame until it is told something, and says when it has it and when the channel has failed of what. */
export async function hold(io: Io, { name }: { name: string }): Promise<void> {
  const allocator = gpuAllocator();
  await using channel = await Channel.open(name, {
    role: "consumer",
    transport: "mpi",
    allocator,
    profile: "gpu-preferred",
  });
  const frame = await channel.recv();
  io.say({ size: frame.sizeBytes });
  await io.hear();
  frame.release();
}
