/** What a process has of the system: who opens channels and closes them has as much afterwards as before. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface Counts {
  /** What each descriptor is of. */
  descriptors: string[];
  /** Of memory of channels. */
  mappings: number;
}

const hasProc = existsSync("/proc/self/fd");

/** `former`: its names are taken over where there are as many descriptors, as reading them takes longer than all the rest. */
export function counts(former?: Counts): Counts {
  if (!hasProc) return { descriptors: [], mappings: 0 };
  const mappings = readFileSync("/proc/self/maps", "latin1").split("memfd:lava-flow").length - 1;
  const numbers = readdirSync("/proc/self/fd");
  // One of them listed the others, and is gone.
  if (former?.descriptors.length === numbers.length - 1) return { descriptors: former.descriptors, mappings };
  const descriptors: string[] = [];
  for (const fd of numbers) {
    try {
      descriptors.push(readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/g, "N"));
    } catch {
      // The one that is gone.
    }
  }
  return { descriptors, mappings };
}

/** What there is more of now than before, or null. */
export function more(before: Counts, now: Counts): string | null {
  if (now.descriptors.length > before.descriptors.length) {
    const left = [...now.descriptors];
    for (const one of before.descriptors) if (left.includes(one)) left.splice(left.indexOf(one), 1);
    return `descriptors: ${left.join(", ")}`;
  }
  return now.mappings > before.mappings ? `${now.mappings - before.mappings} mappings of channels` : null;
}
