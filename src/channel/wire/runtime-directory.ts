/**
 * The directory through which the processes of one user on one host connect. Each side computes it alone, so the rule
 * depends only on the environment, the user and the file system:
 *
 * 1. LAVA_FLOW_RUNTIME_DIR, whatever it is.
 * 2. "lava-flow" in XDG_RUNTIME_DIR, where both belong to this user (the second may be missing).
 * 3. "lava-flow-USER" in the temporary folder, and where that folder is missing, in /tmp.
 */

export interface RuntimeDirectory {
  path: string;
  /** Each directory of the rule that was passed over, with the reason. */
  passedOver: string[];
}

export function runtimeDirectory(): RuntimeDirectory {
  const { LAVA_FLOW_RUNTIME_DIR: own, XDG_RUNTIME_DIR: session } = process.env;
  if (own) return { path: own, passedOver: [] };
  const passedOver: string[] = [];
  if (session) {
    const reason = unusable(session);
    if (reason === null) return { path: `${session}/lava-flow`, passedOver };
    passedOver.push(`XDG_RUNTIME_DIR is passed over: ${reason}`);
  }
  // Node's modules are loaded on use: at import they would double the time of importing lava-flow.
  const { tmpdir, userInfo } = process.getBuiltinModule("node:os");
  let temporary = tmpdir();
  const found = inspect(temporary);
  if (process.platform !== "win32" && typeof found === "string") {
    passedOver.push(`the temporary folder is passed over: ${temporary} ${found}`);
    temporary = "/tmp";
  }
  return { path: `${temporary}/lava-flow-${process.geteuid?.() ?? userInfo().username}`, passedOver };
}

/** The existing directories that the rule gives for this user in other environments. */
export function otherDirectories(path: string): string[] {
  const { statSync } = process.getBuiltinModule("node:fs");
  const { tmpdir, userInfo } = process.getBuiltinModule("node:os");
  const user = process.geteuid?.() ?? userInfo().username;
  const sessions = [process.env.XDG_RUNTIME_DIR || "", `/run/user/${user}`].filter((session) => session);
  const ofSessions = sessions.map((session) => `${session}/lava-flow`);
  const directories = [...ofSessions, ...[tmpdir(), "/tmp"].map((temporary) => `${temporary}/lava-flow-${user}`)];
  const found = new Map<string, string>();
  for (const directory of [path, ...directories]) {
    try {
      const { dev, ino } = statSync(directory, { bigint: true });
      const identity = `${dev} ${ino}`;
      if (!found.has(identity)) found.set(identity, directory);
    } catch {
      // No process uses it.
    }
  }
  return [...found.values()].filter((directory) => directory !== path);
}

/** Why `session` can't contain a directory of this user; null if it can. */
function unusable(session: string): string | null {
  const { accessSync, constants } = process.getBuiltinModule("node:fs");
  const outer = inspect(session);
  if (typeof outer === "string") return `${session} ${outer}`;
  const mine = process.geteuid?.();
  // With `sudo -E` or `su`, root would create a directory here that the session's user can't use.
  if (mine !== undefined && outer.uid !== mine)
    return `${session} belongs to user ${outer.uid}, not to this one (${mine})`;
  const inner = inspect(`${session}/lava-flow`);
  if (typeof inner !== "string") {
    if (mine === undefined || inner.uid === mine) return null;
    return `${session}/lava-flow belongs to user ${inner.uid}, not to this one (${mine})`;
  }
  if (inner !== MISSING) return null; // opening the directory reports what is wrong
  try {
    accessSync(session, constants.W_OK);
    return null;
  } catch {
    return `${session} can't be written to`;
  }
}

const MISSING = "does not exist";

/** The owner of a directory, or else why there is none. */
function inspect(path: string): { uid: number } | string {
  try {
    const found = process.getBuiltinModule("node:fs").statSync(path, { throwIfNoEntry: false });
    if (!found) return MISSING;
    return found.isDirectory() ? { uid: found.uid } : "is no directory";
  } catch (error) {
    return `can't be looked at (${(error as NodeJS.ErrnoException).code})`;
  }
}
