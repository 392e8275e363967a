/** What a call on a buffer's bytes waits for: the peers' release of what it writes, and a GPU. */
import { type Call, callHere, shownAt } from "../errors.ts";
import { Stop } from "../gpu/stop.ts";
import { checkLimits, type Limits } from "../native/limits.ts";
import { isHeld, untilReleased } from "./holders.ts";
import type { NativeMemory } from "./memory.ts";
import { waitsForGpu } from "./transfer.ts";

/** Of the stack of a call that waits: callHere, this function, the method, and what the user calls it by. */
const FRAMES = 6;

/** Whether the CPU can't do it at once. */
function waitsFor(read: NativeMemory | null, written: NativeMemory | null): boolean {
  if (read !== null && written !== null) return read.gpu !== null || written.gpu !== null;
  return waitsForGpu((read ?? written) as NativeMemory);
}

/**
 * Runs `work`, which reads and writes memory of buffers, within the limits, when peers have released what it writes; its
 * errors show the call's line.
 */
export function access(
  name: string,
  sizeBytes: number,
  read: NativeMemory | null,
  written: NativeMemory | null,
  limits: Limits | undefined,
  work: (stop: Stop | null) => Promise<void>,
): Promise<void> {
  const held = written !== null && isHeld(written) ? written : null;
  const waits = held !== null || waitsFor(read, written);
  if (limits === undefined && !waits) return work(null);
  return accessWithin(name, sizeBytes, held, limits, work, waits ? callHere(FRAMES) : null);
}

async function accessWithin(
  name: string,
  sizeBytes: number,
  held: NativeMemory | null,
  limits: Limits | undefined,
  work: (stop: Stop | null) => Promise<void>,
  call: Call | null,
): Promise<void> {
  checkLimits(name, limits);
  const stop = limits === undefined ? null : new Stop(`${name} of ${sizeBytes} bytes did not end`, limits);
  try {
    if (held) await untilReleased(held, limits);
    await work(stop);
  } catch (error) {
    throw shownAt(call, error);
  } finally {
    stop?.close();
  }
}
