/** Frames too large to be made anew and hashed whole: a mark in every mebibyte, and at both ends. */
import type { ChannelOptions } from "../../src/index.ts";
import { openChannel } from "./open.ts";
import type { Io } from "./peer.ts";

const STEP = 1 << 20;
/** Marking gibibytes, and taking them from host to host, takes half a minute on busy processors. */
export const PATIENCE_MS = 120_000;

function marked(at: number): number {
  return ((at / STEP) * 37 + 11) % 256;
}

export function writeMarkers(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += STEP) bytes[at] = marked(at);
  bytes[bytes.length - 1] = 201;
}

/** Where the markers are not what they should be. */
function wrongMarkers(bytes: Uint8Array): number[] {
  const wrong: number[] = [];
  for (let at = 0; at < bytes.length; at += STEP) if (bytes[at] !== marked(at)) wrong.push(at);
  if (bytes[bytes.length - 1] !== 201) wrong.push(bytes.length - 1);
  return wrong.slice(0, 10);
}

/** Takes one frame, checks its markers, writes beside them. */
export async function consume(io: Io, { name, ...options }: ChannelOptions & { name: string }): Promise<void> {
  await using channel = await openChannel(name, { ...options, role: "consumer" });
  const frame = await channel.recv({ timeoutMs: PATIENCE_MS });
  const { bytes, sizeBytes } = frame;
  const wrong = wrongMarkers(bytes);
  bytes[1] = 77;
  bytes[sizeBytes - 2] = 78;
  io.say({ size: sizeBytes, wrong, buffer: frame.buffer !== undefined });
  frame.release();
  await channel.recv().catch(() => {}); // until the producer closes
}
