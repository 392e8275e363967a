/** A peer in the test's own hand: it says what it likes while the two get to know each other. */
import { expect } from "bun:test";
import { HostListener } from "../../src/channel/connect/host-listener.ts";
import type { Link } from "../../src/channel/wire/link.ts";
import { type ChannelOptions, type ErrorCode, ProcessLocation } from "../../src/index.ts";
import { native } from "../../src/native/load.ts";
import { openChannel } from "../process/open.ts";
import { failure, unique } from "./support.ts";

const OTHER = { producer: "consumer", consumer: "producer" } as const;
type Role = keyof typeof OTHER;

/** What a producer would say. */
export const hello = {
  role: "producer",
  profile: "cpu-shared",
  location: ProcessLocation.detect(),
  requested: ["shm"],
};

/** What it would answer to the other one's hello. */
export const agreed = { ok: true, reason: null, capabilities: { shm: { membarrier: true } } };

/** A message as it is, whatever it is. */
export interface Raw {
  kind: number;
  bytes: Uint8Array | string;
}
export const say = (kind: number, value: unknown): Raw => ({ kind, bytes: JSON.stringify(value) });

/** Meets one that opens a channel as `role`, says all this, and gives what the other one's `open` rejects with. */
export async function tell(
  role: Role,
  messages: Raw[],
  code: ErrorCode,
  options: Partial<ChannelOptions> = {},
): Promise<Error> {
  const name = unique();
  const opening = failure(code, () => openChannel(name, { ...options, role, timeoutMs: 5000 }));
  const rendezvous = new HostListener(name, OTHER[role]);
  let link: Link | null = null;
  try {
    while (!link) {
      await new Promise(setImmediate);
      link = rendezvous.poll();
    }
    for (const { kind, bytes } of messages) {
      const raw = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
      expect(native().lf_link_send(link.handle, kind, raw, raw.length)).toBe(1);
    }
    return await opening;
  } finally {
    link?.close();
    rendezvous.close();
  }
}
