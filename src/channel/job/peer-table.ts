/**
 * The locations of the ranks of a job. Each rank publishes its hostname, host id and node id once. A lookup asks the rank
 * that keeps the key of a value. A lookup must not answer before all ranks have published: each rank signs one list once its
 * values are kept, and a lookup waits until all lists are full. One list holds 64 ranks.
 */
import { LavaFlowError } from "../../errors.ts";
import type { ProcessLocation } from "../../location.ts";
import type { Deadline } from "../wait/deadline.ts";
import { KEY_BYTES_MAX, Lease, publish } from "./lease.ts";

/** A rank, and its own description. */
export interface Candidate {
  rank: number;
  text: string;
}

export const LOOKUP_FIELDS = ["hostname", "hostId", "nodeId"] as const;

const LIST_RANKS = 64;
const encoder = new TextEncoder();

function keyOf(field: string, value: string): Uint8Array {
  const key = encoder.encode(`${field} ${value}`);
  if (key.length <= KEY_BYTES_MAX) return key;
  return encoder.encode(`${field} ${new Bun.CryptoHasher("sha256").update(value).digest("hex")}`);
}

function listOf(rank: number): Uint8Array {
  return encoder.encode(`ranks ${Math.floor(rank / LIST_RANKS)}`);
}

/** A lookup of one key. */
class Lookup {
  readonly #lease: Lease;
  /** The number of ranks with the value; null before the answer. */
  count: number | null = null;
  /** The ranks, as far as they fitted in one answer. */
  found: Candidate[] = [];

  constructor(key: Uint8Array) {
    this.#lease = Lease.get(key);
  }

  /** Whether the answer has come. PEER_DIED if the rank that keeps the key has exited. */
  answered(): boolean {
    if (this.count !== null) return true;
    const answer = this.#lease.poll();
    if (answer === null) return false;
    this.count = answer.count;
    this.found = answer.found.map(({ rank, value }) => ({ rank, text: value }));
    return true;
  }

  close(): void {
    this.#lease.close();
  }
}

export class PeerTable {
  readonly #rank: number;
  readonly #size: number;
  /** Lookups of the values that this rank published: their answers prove that the values are kept. Null once it has signed. */
  #own: Lookup[] | null = [];
  /** Whether every rank has signed. */
  #complete = false;

  constructor(rank: number, size: number) {
    this.#rank = rank;
    this.#size = size;
  }

  /** Publishes the location of this rank. */
  announce(location: ProcessLocation): void {
    const text = `${location.hostname.slice(0, 200)} (pid ${location.pid})`;
    for (const field of LOOKUP_FIELDS) {
      const value = location[field];
      if (!value) continue;
      const key = keyOf(field, value);
      publish(key, text);
      this.#own?.push(new Lookup(key));
    }
  }

  /** Whether all ranks can look this one up. Takes the next step if not. */
  announced(): boolean {
    if (this.#own === null) return true;
    if (!this.#own.every(isDone)) return false;
    for (const lookup of this.#own) lookup.close();
    this.#own = null;
    publish(listOf(this.#rank), "");
    return true;
  }

  /** The ranks with all these values, at most as many as fit in one answer. TIMEOUT, ABORTED, PEER_DIED. */
  async find(values: [field: string, value: string][], deadline: Deadline): Promise<Candidate[]> {
    if (!this.#complete) await this.#completed(deadline);
    const answers = await ask(
      values.map(([field, value]) => keyOf(field, value)),
      deadline,
      () => "the ranks that keep the job's locations do not answer",
    );
    // An answer of hundreds of ranks is cut: a rank that it lacks may still have the value.
    const whole = answers.filter(({ count, found }) => count === found.length);
    const [shortest] = answers.map(({ found }) => found).sort((one, other) => one.length - other.length);
    const isIn = (found: Candidate[], { rank }: Candidate) => found.some((candidate) => candidate.rank === rank);
    return (shortest as Candidate[]).filter((candidate) => whole.every(({ found }) => isIn(found, candidate)));
  }

  async #completed(deadline: Deadline): Promise<void> {
    const starts = Array.from({ length: Math.ceil(this.#size / LIST_RANKS) }, (_, i) => i * LIST_RANKS);
    let absent = 0;
    do {
      const what = () => `of the job's ${this.#size} ranks, ${absent || "some"} have not published their locations`;
      const lists = await ask(starts.map(listOf), deadline, what);
      absent = this.#size - lists.reduce((sum, { count }) => sum + (count as number), 0);
      if (absent > 0) {
        deadline.check(what);
        await deadline.pause();
      }
    } while (absent > 0);
    this.#complete = true;
  }
}

/** Resolves when all lookups have answers. */
async function ask(keys: Uint8Array[], deadline: Deadline, what: () => string): Promise<Lookup[]> {
  const lookups: Lookup[] = [];
  try {
    for (const key of keys) lookups.push(new Lookup(key));
    while (!lookups.every((lookup) => lookup.answered())) {
      deadline.check(what);
      await deadline.pause();
    }
    return lookups;
  } finally {
    for (const lookup of lookups) lookup.close();
  }
}

/** Also true if the rank that keeps the key has exited: no lookup finds this rank there, and none waits. */
function isDone(lookup: Lookup): boolean {
  try {
    return lookup.answered();
  } catch (error) {
    if (error instanceof LavaFlowError) return true;
    throw error;
  }
}
