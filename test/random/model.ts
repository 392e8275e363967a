/** What must be seen of one channel: which frames, in which order, and which errors when. */
import type { Got } from "./agent.ts";
import { key } from "./content.ts";
import type { Role } from "./program.ts";

/** `dying`: its process or Worker is being ended; a dead one did not close. */
export type State = "open" | "closing" | "closed" | "dying" | "dead";

export const SLOTS = {
  "low-latency": 256,
  "high-throughput": 4096,
  "gpu-preferred": 1024,
  "cpu-shared": 1024,
} as const;

/** `unsure`: its sender was ended before it said whether it had sent it. */
type Fate = "pending" | "sent" | "never" | "unsure";

/**
 * A frame that was sent, or may be. Calls of `send` that wait keep their order among themselves, and what is sent at once
 * (a loan's commit) keeps its own; of the other row a frame has to follow those that were sent before it was asked for.
 */
interface Sent {
  key: string;
  size: number;
  fate: Fate;
  /** The number of frames of the other row before it. */
  after: number;
}

/** How far each of the two rows is, by its own name. */
type Paths = Map<string, readonly [number, number]>;

export class ChannelModel {
  readonly states: Record<Role, State> = { producer: "open", consumer: "open" };
  /** Calls that have not settled, by side. */
  readonly waiting: Record<Role, number> = { producer: 0, consumer: 0 };
  /** Frames known to be sent. */
  sent = 0;
  sentBytes = 0;
  /** Frames whose sender was ended before it answered. */
  unsure = 0;
  /** Frames that the consumer may have taken at most with calls that it did not answer before it was ended. */
  unanswered = 0;
  receivedBytes = 0;
  released = 0;
  releasedBytes = 0;
  /** An iteration releases frames by itself. */
  iterating = false;
  /** The consumer saw the end of the stream. */
  drained = false;
  /** Frames by their content that are known to be sent, and not known to be released. */
  readonly #out = new Map<string, number>();
  /** Sides that were told that the other one is gone. */
  readonly told = new Set<Role>();
  readonly #queued: Sent[] = [];
  readonly #direct: Sent[] = [];
  readonly #got: Got[] = [];

  constructor(readonly slots: number) {}

  get received(): number {
    return this.#got.length;
  }

  /** Received and not released. */
  get held(): number {
    return this.received - this.released;
  }

  get bothOpen(): boolean {
    return this.states.producer === "open" && this.states.consumer === "open";
  }

  /** Known to be sent and not known to be received. */
  get inFlight(): number {
    return this.sent - this.received;
  }

  /** A `send` that may have to wait. */
  queue(id: number, size: number): Sent {
    const known = this.#direct.length;
    const sent: Sent = { key: key(id, size), size, fate: "pending", after: known };
    this.#queued.push(sent);
    return sent;
  }

  /** A frame of `trySend`, which sends nothing while calls of `send` wait: it follows them all. */
  direct(of: string, size: number, fate: Fate = "sent"): void {
    this.#add(of, size, fate, this.#queued.length);
  }

  /** A loan's frame: of the calls of `send` that wait none is known to come before it. */
  commit(of: string, size: number, fate: Fate = "sent"): void {
    const waiting = this.#queued.findIndex((sent) => sent.fate === "pending");
    this.#add(of, size, fate, waiting < 0 ? this.#queued.length : waiting);
  }

  #add(of: string, size: number, fate: Fate, after: number): void {
    const sent: Sent = { key: of, size, fate: "pending", after };
    this.#direct.push(sent);
    this.resolve(sent, fate);
  }

  resolve(sent: Sent, fate: Fate): void {
    sent.fate = fate;
    if (fate === "unsure") this.unsure++;
    if (fate !== "sent") return;
    this.sent++;
    this.sentBytes += sent.size;
    this.#count(sent.key, 1);
  }

  release({ key, size }: Got): void {
    this.released++;
    this.releasedBytes += size;
    this.#count(key, -1);
  }

  /** Frames with this content that the consumer has to release. */
  unreleased(of: string): number {
    return this.#out.get(of) ?? 0;
  }

  #count(of: string, more: number): void {
    this.#out.set(of, this.unreleased(of) + more);
  }

  take(got: Got): void {
    this.#got.push(got);
    this.receivedBytes += got.size;
  }

  /** The codes that a call of this side may fail with, because of what the two sides did. */
  allowed(role: Role): Set<string> {
    const codes = new Set<string>();
    const other = this.states[role === "producer" ? "consumer" : "producer"];
    if (this.states[role] !== "open") codes.add("CLOSED");
    if (other === "closing" || other === "closed") codes.add("CHANNEL_CLOSED");
    if (other === "dying" || other === "dead") codes.add("PEER_DIED");
    return codes;
  }

  /** Looks at all that was received, now that every call has settled: null, or what is wrong. */
  verdict(): string | null {
    const got = new Map(this.#got.map(({ sequence, key }) => [sequence, key]));
    const sequences = this.#got.map(({ sequence }) => sequence);
    const twice = got.size < this.received && sequences.find((each, i) => sequences.indexOf(each) < i);
    if (twice !== false) return `frame ${twice} came twice`;
    const end = Math.max(-1, ...got.keys()) + 1;
    // All paths in which the two rows can have been merged so far, as how far each is.
    let paths: Paths = new Map([["0,0", [0, 0]]]);
    let unknown = 0;
    for (let i = 0; i < end; i++) {
      const found = got.get(i);
      if (found === undefined && ++unknown > this.unanswered) return `frame ${i} did not come, and ${end - 1} did`;
      const next = this.#after(paths, found);
      if (next.size === 0) return `frame ${i} is ${found}, expected ${this.#expected(paths)}`;
      paths = next;
    }
    if (!this.drained) return null;
    const expected = this.#expected(paths);
    const whole = [this.#queued.length, this.#direct.length].join();
    for (; paths.size > 0 && unknown <= this.unanswered; unknown++) {
      if (this.#reachable(paths).some((path) => path.join() === whole)) return null;
      paths = this.#after(paths, undefined);
    }
    const besides = this.unanswered > 0 ? ` and at most ${this.unanswered} without an answer` : "";
    return `the stream ended after ${this.received} of ${this.sent} frames${besides}, expected ${expected}`;
  }

  /** The paths with one more frame; undefined: a frame without an answer. */
  #after(paths: Paths, found: string | undefined): Paths {
    const next: Paths = new Map();
    const fits = (sent: Sent | undefined, others: number) =>
      sent && sent.fate !== "never" && (found === undefined || sent.key === found) && others >= sent.after;
    for (const [queued, direct] of this.#reachable(paths)) {
      if (fits(this.#queued[queued], direct)) next.set(`${queued + 1},${direct}`, [queued + 1, direct]);
      if (fits(this.#direct[direct], queued)) next.set(`${queued},${direct + 1}`, [queued, direct + 1]);
    }
    return next;
  }

  /** With those left out that were never sent, or perhaps not. */
  #reachable(paths: Paths): (readonly [number, number])[] {
    const all = new Map(paths);
    const left = [...paths.values()];
    const skippable = (sent: Sent | undefined) => sent?.fate === "never" || sent?.fate === "unsure";
    for (let path = left.pop(); path; path = left.pop()) {
      const [queued, direct] = path;
      const steps: (readonly [number, number])[] = [];
      if (skippable(this.#queued[queued])) steps.push([queued + 1, direct]);
      if (skippable(this.#direct[direct])) steps.push([queued, direct + 1]);
      for (const step of steps) {
        if (all.has(step.join())) continue;
        all.set(step.join(), step);
        left.push(step);
      }
    }
    return [...all.values()];
  }

  #expected(paths: Paths): string {
    const firsts = this.#reachable(paths).flatMap(([queued, direct]) => [this.#queued[queued], this.#direct[direct]]);
    const keys = firsts.filter((sent) => sent && sent.fate !== "never").map((sent) => sent!.key);
    return [...new Set(keys)].join(" or ") || "nothing";
  }
}
