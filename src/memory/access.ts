/** The waits of a call on a buffer's bytes: for the peers' release of the written memory, and for a GPU. */
import { type Call, callHere, shownAt } from "../errors.ts";
import { Stop } from "../gpu/stop.ts";
import { checkLimits, type Limits } from "../native/limits.ts";
import { isHeld, untilReleased } from "./holders.ts";
import type { NativeMemory } from "./memory.ts";
import { waitsForGpu } from "./transfer.ts";

/** Stack frames that a waiting call keeps: callHere, this function, the method, and the user's frames. */
const FRAMES = 6;

/** Whether the CPU must wait for a GPU. */
function waitsFor(read: NativeMemory | null, written: NativeMemory | null): boolean {
  if (read !== null && written !== null) return read.gpu !== null || written.gpu !== null;
  return waitsForGpu((read ?? written) as NativeMemory);
}

/** Runs `work` within the limits, after the peers have released `written`. Errors show the line of the call. */
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
