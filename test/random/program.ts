/** A random program as data: it can be printed, run again, and shortened by leaving steps out. */
import type { ChannelProfile } from "../../src/index.ts";
import type { Api } from "./agent.ts";
import type { Kind } from "./content.ts";
import type { Read } from "./memory.ts";

export type Role = "producer" | "consumer";

/**
 * Where an end of a channel is: in this module graph, in a second one of the same thread, in a Worker or a process that
 * all programs share, or in one that the program may end.
 */
export type Host = "here" | "copy" | "worker" | "process" | "mortal-worker" | "mortal-process";

/** What no call may be given. */
export type Wrong = "text" | "object" | "nothing" | "detached" | "out-of-bounds" | "view-out-of-bounds" | "limits";

/** Limits of a call that waits: milliseconds, and a signal that is aborted before the call, or may be after it. */
interface Limits {
  wait?: number;
  abort?: boolean | "before";
}

/**
 * A step names channels by the number that they were opened with, and frames, loans, buffers and pools by a number that is taken
 * modulo of those that there are. A step for which there is nothing to do is left out.
 */
export type Step =
  | { do: "open"; c: number; name: number; producer: Host; consumer: Host; profile: ChannelProfile }
  /** The role is taken. */
  | { do: "taken"; c: number; role: Role; host: Host }
  /** No peer comes. */
  | { do: "alone"; role: Role; host: Host; wait: number; abort: boolean }
  /** `spoil`: the payload's memory is taken away while the call may wait. */
  | ({ do: "send"; c: number; as: Kind; size: number; spoil?: boolean } & Limits)
  | { do: "trySend"; c: number; as: Kind; size: number; times: number }
  | ({ do: "loan"; c: number; size: number } & Limits)
  | { do: "tryLoan"; c: number; size: number }
  | { do: "commit"; c: number; pick: number; part: number }
  | { do: "abortLoan"; c: number; pick: number }
  | ({ do: "recv"; c: number } & Limits)
  | { do: "tryRecv"; c: number; times: number }
  | { do: "recvSync"; c: number; wait: number; spin: number }
  /** A Worker waits for ever, and can only be ended. */
  | { do: "block"; c: number }
  | { do: "iterate"; c: number; frames: number }
  | { do: "check"; c: number; pick: number }
  | { do: "release"; c: number; pick: number; twice: boolean }
  | ({ do: "flush"; c: number } & Limits)
  | { do: "abort"; pick: number }
  | { do: "allocate"; host: Host; size: number; shared: boolean }
  | ({ do: "sendBuffer"; c: number; pick: number; now: boolean } & Limits)
  | { do: "forward"; c: number; pick: number; to: number }
  | { do: "rewrite"; c: number; pick: number }
  | { do: "write"; c: number; pick: number }
  | ({ do: "released"; c: number; pick: number } & Limits)
  | { do: "inspect"; pick: number; how: Read }
  | { do: "pool"; host: Host; count: number; size: number; shared: boolean }
  | ({ do: "take"; pick: number } & Limits)
  | { do: "tryTake"; pick: number }
  | { do: "put"; pick: number; twice: boolean }
  | { do: "closePool"; pick: number }
  | { do: "closeBuffer"; pick: number }
  | { do: "hand"; c: number; pick: number; api: Api }
  | { do: "transfer"; c: number; pick: number }
  | { do: "touch" }
  | { do: "wrong"; c: number; what: Wrong }
  | { do: "stats"; c: number }
  | { do: "close"; c: number; role: Role }
  | { do: "kill"; c: number; role: Role }
  | { do: "turn"; turns: number }
  /** Waits for all that must come by now. */
  | { do: "quiesce" };

export interface Program {
  seed: number;
  steps: Step[];
}

/** Where a program has something. */
export function hostsOf({ steps }: Program): Set<Host> {
  return new Set(
    steps.flatMap((step) => (step.do === "open" ? [step.producer, step.consumer] : "host" in step ? [step.host] : [])),
  );
}
