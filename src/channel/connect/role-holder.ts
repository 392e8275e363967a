/**
 * The process that holds a role, or held it last: for NAME_IN_USE and for the reason in a TIMEOUT. Also the roles that the
 * second evaluation of a program may take over from the first.
 */
import { LavaFlowError } from "../../errors.ts";
import { CONSTANTS, ROLE_HOLDER } from "../../native/layout.ts";
import type { Known } from "../wait/deadline.ts";

type Role = "producer" | "consumer";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const holder = new Uint8Array(new ArrayBuffer(ROLE_HOLDER.sizeof));
const fields = new DataView(holder.buffer);

const ONE_TO_ONE = "A channel has one producer and one consumer";

/** The end of `callSite`, with the name of the file and the line, in as many bytes as the shim keeps. */
export function callSiteBytes(callSite: string): Uint8Array {
  return encoder.encode(callSite).slice(-CONSTANTS.LF_CALL_SITE_MAX_BYTES);
}

/** The holder, from the note that it wrote in the runtime directory. */
export interface Holder {
  /** "left": the holder gave the role back. "died": the holder exited with the role. */
  state: "has" | "left" | "died";
  /** "this process itself" or "process 12". */
  who: string;
  here: boolean;
  pid: number;
  /** Whether the holder has connected to a peer. */
  met: boolean;
  /** "since …", with the line of the holder's program if known. */
  since: string;
  /** When the holder gave the role back. */
  leftAt: string;
}

/** The result of `ask`; null if it is unknown, "none" if no process has held the role. */
export function readHolder(ask: (holder: Uint8Array) => number): Holder | "none" | null {
  const answer = ask(holder);
  if (answer !== 1) return answer === 0 ? "none" : null;
  const number = (offset: number) => fields.getInt32(offset, true);
  const length = fields.getUint32(ROLE_HOLDER.call_site_bytes, true);
  // The text comes from another process: no control character may reach a terminal.
  const callSite = decoder
    .decode(holder.subarray(ROLE_HOLDER.call_site, ROLE_HOLDER.call_site + length))
    .replace(/\p{Cc}/gu, " ");
  const state = number(ROLE_HOLDER.state);
  const here = number(ROLE_HOLDER.here) === 1;
  const pid = number(ROLE_HOLDER.pid);
  return {
    state: state === CONSTANTS.LF_HOLDER_HAS ? "has" : state === CONSTANTS.LF_HOLDER_LEFT ? "left" : "died",
    who: here ? "this process itself" : `process ${pid}`,
    here,
    pid,
    met: number(ROLE_HOLDER.met) === 1,
    since: `since ${timeAt(ROLE_HOLDER.since_ms)}${callSite && `, opened at ${callSite}`}`,
    leftAt: timeAt(ROLE_HOLDER.left_ms),
  };
}

function timeAt(offset: number): string {
  const time = new Date(fields.getFloat64(offset, true));
  return Number.isNaN(time.getTime()) ? "some time" : time.toISOString();
}

/** NAME_IN_USE, with all that is known of the holder. */
export function nameInUse(name: string, role: Role, ask: (holder: Uint8Array) => number): LavaFlowError {
  const known = readHolder(ask);
  const what = `the ${role} of "${name}"`;
  if (known === null || known === "none" || known.state !== "has") {
    return new LavaFlowError("NAME_IN_USE", `a running process is already ${what}`, {
      remedy: `${ONE_TO_ONE}: close the other one, or choose another name`,
    });
  }
  const { who, here, pid, since } = known;
  const remedy = here
    ? `${ONE_TO_ONE}: close that one first, or choose another name. A reload (bun --hot) leaves the channels of the evaluation before open: keep yours in globalThis, and close it before you open it again`
    : `${ONE_TO_ONE}: close the other one (or end process ${pid}), or choose another name`;
  return new LavaFlowError("NAME_IN_USE", `${who} is already ${what}, ${since}`, { remedy });
}

/** The names of one scope in a runtime directory. */
export interface Names {
  directory: string;
  /** The key of the job; "" for the names of the host. */
  key: string;
  /** The remedy if the peer waits there. */
  remedy: string;
}

/**
 * Why no peer in `role` came to `mine`: what the holder's note there says, or that a process waits under the name in one of
 * the `others`. `came`: a peer came, and was not the expected one.
 */
export function whyNoPeer(
  name: string,
  role: Role,
  mine: Names,
  others: () => Names[],
  came: boolean,
  ask: (names: Names, holder: Uint8Array) => number,
): Known {
  const here = readHolder((out) => ask(mine, out));
  if (here !== null && here !== "none" && here.state === "has") {
    const { who, since, met } = here;
    const has = `${who} is the ${role}, ${since}`;
    const other = role === "producer" ? "consumer" : "producer";
    if (met) {
      const remedy = `${ONE_TO_ONE}: close that channel first, or choose another name`;
      return { why: `${has}, and has met a ${other} already`, remedy };
    }
    if (came) return { why: has };
    const remedy = "Look whether a call that blocks holds up its event loop, or it was stopped";
    return { why: `${has}, and does not answer`, remedy };
  }
  for (const names of others()) {
    const there = readHolder((out) => ask(names, out));
    if (there === null || there === "none" || there.state !== "has" || there.met) continue;
    const which = names.key === mine.key ? "" : `, among the names of ${names.key === "" ? "the host" : "its job"}`;
    return {
      why: `${there.who} waits as the ${role} of "${name}" in ${names.directory}${which}, ${there.since}`,
      remedy: names.remedy,
    };
  }
  if (came) return { why: "" };
  const { remedy, directory } = mine;
  if (here === "none") return { why: `no ${role} was ever seen under this name in ${directory}`, remedy };
  if (here === null) return { why: `no ${role} was seen under this name in ${directory} in this time`, remedy };
  const { who, since, state, leftAt } = here;
  const end = state === "left" ? `has closed it at ${leftAt}` : "has ended without closing it";
  return { why: `the last ${role} in ${directory} was ${who}, ${since}, which ${end}`, remedy };
}

// ───────────── a program that is evaluated again ─────────────

/** An open that waits for its peer. */
interface Pending {
  /** Identifies the evaluation of this file that began the open. */
  evaluation: object;
  yield(error: LavaFlowError): void;
}

const EVALUATION = {};
/** The pending opens by scope, role and name, shared by all evaluations of this file in the thread (`bun --hot`). */
const KEY = Symbol.for(`lava-flow.pending.${import.meta.path}`);
const shared = globalThis as { [KEY]?: Map<string, Pending> };

/**
 * Enters an open that begins to wait, and returns the function that removes it. An open of an earlier evaluation under the
 * same name and role ends with ABORTED: that evaluation was replaced, and no code can use the channel.
 */
export function enterPending(key: string, name: string, give: (error: LavaFlowError) => void): () => void {
  const pending = (shared[KEY] ??= new Map());
  const before = pending.get(key);
  if (before !== undefined && before.evaluation !== EVALUATION) {
    const reason = `opening "${name}": the program was evaluated again, and opens it anew`;
    before.yield(new LavaFlowError("ABORTED", reason));
  }
  const mine: Pending = { evaluation: EVALUATION, yield: give };
  if (before?.evaluation !== EVALUATION) pending.set(key, mine);
  return () => {
    if (pending.get(key) === mine) pending.delete(key);
  };
}
