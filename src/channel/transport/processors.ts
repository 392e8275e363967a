/** The processors of this thread. A peer that shares the only one can't run while this side busy-polls. */

/** A set of processors in the format of Linux: "0-3,8". */
const LIST = /^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/;
const LIST_MAX = 4096;

/** The list of this thread's processors; all processors where the system does not tell. */
export function ownProcessors(): string {
  if (process.platform === "linux") {
    try {
      const status = process.getBuiltinModule("node:fs").readFileSync("/proc/thread-self/status", "utf8");
      const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1];
      if (list !== undefined && LIST.test(list)) return list;
    } catch {
      // No /proc here.
    }
  }
  const count = navigator.hardwareConcurrency;
  return count > 1 ? `0-${count - 1}` : "0";
}

/** Whether the two sides together have more than one processor. `theirs` comes from the peer, and may have any form. */
export function haveSeveral(mine: string, theirs: unknown): boolean {
  const known = typeof theirs === "string" && theirs.length <= LIST_MAX && LIST.test(theirs);
  return /[-,]/.test(mine) || (known && theirs !== mine);
}
