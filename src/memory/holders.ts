/** The peers that may still read memory which was sent without a copy, and the wait for their releases. */
import { type Call, isCode, LavaFlowError, putFirst } from "../errors.ts";
import { type Limits, timeoutOf } from "../native/limits.ts";

/** The peer of one channel. */
export interface Holder {
  /** The channel's name. */
  readonly channel: string;
  /** Unreleased frames of the memory; 0 when the channel is closed or its peer has died. CORRUPT_SEGMENT. */
  unreleased(): number;
  /** Resolves when every frame is released. TIMEOUT, ABORTED, CORRUPT_SEGMENT. */
  released(limits: Limits): Promise<void>;
}

interface Held {
  readonly sizeBytes: number;
  /** CLOSED after close. */
  readonly handle: number;
  readonly holders: ReadonlySet<Holder> | null;
}

/** The first peer with unreleased frames; null where there is none. */
function holderOf({ holders }: Held): Holder | null {
  if (holders === null) return null;
  for (const holder of holders) if (holder.unreleased() > 0) return holder;
  return null;
}

export function isHeld(memory: Held): boolean {
  return memory.holders !== null && holderOf(memory) !== null;
}

/** Resolves when the peers have released every frame of the memory. TIMEOUT, ABORTED, CLOSED, CORRUPT_SEGMENT. */
export async function untilReleased(memory: Held, limits?: Limits): Promise<void> {
  const timeoutMs = timeoutOf(limits);
  const start = performance.now();
  let call: Call | null = null;
  try {
    for (;;) {
      void memory.handle; // throws CLOSED
      const holder = holderOf(memory);
      if (holder === null) return;
      call ??= new Error(); // after the first wait, the stack has no frame of the caller
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

/** Names the channels with unreleased frames of the memory, and how many. */
export function held({ sizeBytes, holders }: Held): string {
  const channels: string[] = [];
  for (const holder of holders ?? []) {
    const count = holder.unreleased();
    if (count > 0) channels.push(`${count} ${count === 1 ? "frame" : "frames"} on "${holder.channel}"`);
  }
  return `the buffer of ${sizeBytes} bytes was not released (${channels.join(", ")})`;
}
