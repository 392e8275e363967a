/** Which processors this thread may run on: a peer that shares the only one can't do anything while this side looks for it. */

/** As Linux writes a set of processors: "0-3,8". */
const LIST = /^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/;
const LIST_MAX = 4096;

/** The list of this thread's processors; where the system does not tell, as many as there are. */
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

/** Whether the two have more than one processor between them; `theirs` may be anything. */
export function haveSeveral(mine: string, theirs: unknown): boolean {
  const known = typeof theirs === "string" && theirs.length <= LIST_MAX && LIST.test(theirs);
  return /[-,]/.test(mine) || (known && theirs !== mine);
}
