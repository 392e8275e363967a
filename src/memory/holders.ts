/** Who may still read a memory that was sent without a copy, and the wait until nobody does. */
import { type Call, isCode, LavaFlowError, putFirst } from "../errors.ts";
import { type Limits, timeoutOf } from "../native/limits.ts";

/** The peer of one channel. */
export interface Holder {
  /** The channel's name. */
  readonly channel: string;
  /** Frames of the memory that the peer has not released; 0 once the channel is closed or dead. CORRUPT_SEGMENT. */
  unreleased(): number;
  /** Resolves when there are none. TIMEOUT, ABORTED, CORRUPT_SEGMENT. */
  released(limits: Limits): Promise<void>;
}

/** Memory, as far as it matters here. */
interface Held {
  readonly sizeBytes: number;
  /** CLOSED after close. */
  readonly handle: number;
  readonly holders: ReadonlySet<Holder> | null;
}

/** A peer that may read the memory; null where there is none. */
function holderOf({ holders }: Held): Holder | null {
  if (holders === null) return null;
  for (const holder of holders) if (holder.unreleased() > 0) return holder;
  return null;
}

export function isHeld(memory: Held): boolean {
  return memory.holders !== null && holderOf(memory) !== null;
}

/** Resolves when no peer may read the memory any more. TIMEOUT, ABORTED, CLOSED, CORRUPT_SEGMENT. */
export async function untilReleased(memory: Held, limits?: Limits): Promise<void> {
  const timeoutMs = timeoutOf(limits);
  const start = performance.now();
  let call: Call | null = null;
  try {
    for (;;) {
      void memory.handle; // CLOSED where it is
      const holder = holderOf(memory);
      if (holder === null) return;
      call ??= new Error(); // the caller's frames are gone after the first wait
      const left = Math.max(0, timeoutMs - (performance.now() - start));
      await holder.released({ timeoutMs: left, signal: limits?.signal }).catch((error) => {
        throw isCode(error, "TIMEOUT") ? tooLong(memory, timeoutMs) : error;
      });
    }
  } catch (error) {
    if (call !== null) putFirst(error, call);
    throw error;
  }
}

function tooLong(memory: Held, timeoutMs: number): LavaFlowError {
  return new LavaFlowError("TIMEOUT", `${held(memory)} within ${timeoutMs} ms`, {
    remedy:
      "Release the frames where they were received, or write to another buffer meanwhile: MemoryAllocator.pool hands out those that are free",
  });
}

/** Which channels' peers have not released how many frames of the memory. */
export function held({ sizeBytes, holders }: Held): string {
  const channels: string[] = [];
  for (const holder of holders ?? []) {
    const count = holder.unreleased();
    if (count > 0) channels.push(`${count} ${count === 1 ? "frame" : "frames"} on "${holder.channel}"`);
  }
  return `the buffer of ${sizeBytes} bytes was not released (${channels.join(", ")})`;
}
