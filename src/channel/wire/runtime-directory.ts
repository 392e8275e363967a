/**
 * Where the processes of one user on one host meet. Both sides of a channel work it out alone, so the rule depends on
 * nothing but the environment, the user and what stands in the file system:
 *
 * 1. LAVA_FLOW_RUNTIME_DIR, whatever it is.
 * 2. "lava-flow" in XDG_RUNTIME_DIR, where both belong to this user (the second may be missing).
 * 3. "lava-flow-USER" in the temporary folder, and where that folder is missing, in /tmp.
 */

export interface RuntimeDirectory {
  path: string;
  /** Each place of the rule that was passed over, with the reason. */
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
  // Here and elsewhere, Node's modules are loaded when they are needed: they would double the time of the import.
  const { tmpdir, userInfo } = process.getBuiltinModule("node:os");
  let temporary = tmpdir();
  const there = look(temporary);
  if (process.platform !== "win32" && typeof there === "string") {
    passedOver.push(`the temporary folder is passed over: ${temporary} ${there}`);
    temporary = "/tmp";
  }
  return { path: `${temporary}/lava-flow-${process.geteuid?.() ?? userInfo().username}`, passedOver };
}

/** Where else the rule leads processes of this user whose environment is another one, as far as such a folder is there. */
export function otherDirectories(path: string): string[] {
  const { statSync } = process.getBuiltinModule("node:fs");
  const { tmpdir, userInfo } = process.getBuiltinModule("node:os");
  const user = process.geteuid?.() ?? userInfo().username;
  const sessions = [process.env.XDG_RUNTIME_DIR || "", `/run/user/${user}`].filter((session) => session);
  const ofSessions = sessions.map((session) => `${session}/lava-flow`);
  const places = [...ofSessions, ...[tmpdir(), "/tmp"].map((temporary) => `${temporary}/lava-flow-${user}`)];
  const found = new Map<string, string>();
  for (const place of [path, ...places]) {
    try {
      const { dev, ino } = statSync(place, { bigint: true });
      const identity = `${dev} ${ino}`;
      if (!found.has(identity)) found.set(identity, place);
    } catch {
      // Nobody meets there.
    }
  }
  return [...found.values()].filter((place) => place !== path);
}

/** Why no folder of this user can be in `session`; null where one can. */
function unusable(session: string): string | null {
  const { accessSync, constants } = process.getBuiltinModule("node:fs");
  const outer = look(session);
  if (typeof outer === "string") return `${session} ${outer}`;
  const mine = process.geteuid?.();
  // Root may write there, and would lock the user out of it with a folder of its own: `sudo -E`, `su`.
  if (mine !== undefined && outer.uid !== mine)
    return `${session} belongs to user ${outer.uid}, not to this one (${mine})`;
  const inner = look(`${session}/lava-flow`);
  if (typeof inner !== "string") {
    if (mine === undefined || inner.uid === mine) return null;
    return `${session}/lava-flow belongs to user ${inner.uid}, not to this one (${mine})`;
  }
  if (inner !== MISSING) return null; // opening it says what is wrong
  try {
    accessSync(session, constants.W_OK);
    return null;
  } catch {
    return `${session} can't be written to`;
  }
}

const MISSING = "does not exist";

/** The owner of a folder, else what is there instead. */
function look(path: string): { uid: number } | string {
  try {
    const found = process.getBuiltinModule("node:fs").statSync(path, { throwIfNoEntry: false });
    if (!found) return MISSING;
    return found.isDirectory() ? { uid: found.uid } : "is no directory";
  } catch (error) {
    return `can't be looked at (${(error as NodeJS.ErrnoException).code})`;
  }
}
