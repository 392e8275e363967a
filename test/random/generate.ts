/** Makes programs: from a seed always the same one. */
import type { ChannelProfile } from "../../src/index.ts";
import { APIS } from "./agent.ts";
import { KINDS, LOSABLE, random } from "./content.ts";
import { READS } from "./memory.ts";
import type { Host, Program, Role, Step, Wrong } from "./program.ts";

const SIZES = [0, 1, 3, 8, 40, 56, 57, 64, 119, 120, 121, 128, 200, 1000, 4096, 5000, 65_536, 100_000];
const LARGE = [300_000, 1 << 20, 3_000_001];
const PROFILES: ChannelProfile[] = ["cpu-shared", "low-latency", "high-throughput"];

/** How many of the programs have an end in each place. Starting a process costs as much as fifty programs. */
const LOOKUP_FIELDS: [Host, number][] = [
  ["here", 0.85],
  ["copy", 0.05],
  ["worker", 0.04],
  ["process", 0.04],
  ["mortal-worker", 0.01],
  ["mortal-process", 0.01],
];

class Maker {
  readonly #next: () => number;
  readonly steps: Step[] = [];
  /** Where the ends of each channel are. */
  readonly #opened: Record<Role, Host>[] = [];
  /** What this program does much of. */
  readonly #taste: number[];

  constructor(seed: number) {
    this.#next = random(seed);
    this.#taste = Array.from({ length: 60 }, () => this.#next() ** 3);
  }

  /** A whole number below `limit`. */
  #below(limit: number): number {
    return Math.floor(this.#next() * limit);
  }

  #one<T>(of: readonly T[]): T {
    return of[this.#below(of.length)] as T;
  }

  #chance(share: number): boolean {
    return this.#next() < share;
  }

  #host(): Host {
    let left = this.#next();
    for (const [host, share] of LOOKUP_FIELDS) {
      left -= share;
      if (left < 0) return host;
    }
    return "here";
  }

  #size(): number {
    if (this.#chance(0.02)) return this.#one(LARGE);
    return this.#chance(0.8) ? this.#one(SIZES) : this.#below(3000);
  }

  #kind() {
    return this.#chance(0.5) ? "Uint8Array" : this.#one(KINDS);
  }

  /** Limits of a call that waits: some end by themselves, some are ended. */
  #limits(): { wait?: number; abort?: boolean | "before" } {
    if (this.#chance(0.15)) return { wait: this.#below(4) };
    if (this.#chance(0.02)) return { abort: "before" };
    return this.#chance(0.15) ? { abort: true } : {};
  }

  open(): void {
    const c = this.#opened.length;
    const ends = { producer: this.#host(), consumer: this.#host() };
    const name = this.#chance(0.2) ? this.#below(c + 1) : c;
    this.steps.push({ do: "open", c, name, ...ends, profile: this.#one(PROFILES) });
    this.#opened.push(ends);
  }

  #channel(): number {
    return this.#below(this.#opened.length);
  }

  #role(): Role {
    return this.#chance(0.5) ? "producer" : "consumer";
  }

  #wrong(): Wrong {
    const all: Wrong[] = ["text", "object", "nothing", "detached", "out-of-bounds", "view-out-of-bounds", "limits"];
    return this.#one(all);
  }

  /** The steps that there are, with how often they come and the part of it that the program's taste decides. */
  readonly #makers: [weight: number, make: (c: number) => Step | Step[]][] = [
    [8, (c) => ({ do: "send", c, as: this.#kind(), size: this.#size(), ...this.#limits() })],
    [1, (c) => ({ do: "send", c, as: this.#one(LOSABLE), size: this.#size(), spoil: true, ...this.#limits() })],
    [8, (c) => ({ do: "trySend", c, as: this.#kind(), size: this.#size(), times: 1 + this.#below(3) })],
    [
      1,
      (c) => ({
        do: "trySend",
        c,
        as: "Uint8Array",
        size: this.#one([1, 56, 100, 300]),
        times: 100 + this.#below(1100),
      }),
    ],
    [2, (c) => ({ do: "loan", c, size: this.#size(), ...this.#limits() })],
    [4, (c) => ({ do: "tryLoan", c, size: this.#size() })],
    [5, (c) => ({ do: "commit", c, pick: this.#below(8), part: this.#chance(0.6) ? 1 : this.#next() })],
    [2, (c) => ({ do: "abortLoan", c, pick: this.#below(8) })],
    [6, (c) => ({ do: "recv", c, ...this.#limits() })],
    [8, (c) => ({ do: "tryRecv", c, times: 1 + this.#below(4) })],
    [1, (c) => ({ do: "tryRecv", c, times: 100 + this.#below(1000) })],
    [2, (c) => ({ do: "recvSync", c, wait: this.#below(3), spin: this.#one([0, 0, 5, 50]) })],
    [1.5, (c) => ({ do: "iterate", c, frames: 1 + this.#below(12) })],
    [4, (c) => ({ do: "check", c, pick: this.#below(50) })],
    [8, (c) => ({ do: "release", c, pick: this.#below(50), twice: this.#chance(0.2) })],
    [1, (c) => ({ do: "flush", c, ...this.#limits() })],
    [2, () => ({ do: "abort", pick: this.#below(8) })],
    [
      1.5,
      (c) => ({ do: "allocate", host: this.#opened[c]!.producer, size: 1 + this.#size(), shared: this.#chance(0.8) }),
    ],
    [4, (c) => ({ do: "sendBuffer", c, pick: this.#below(8), now: true })],
    [2, (c) => ({ do: "sendBuffer", c, pick: this.#below(8), now: false, ...this.#limits() })],
    [3, (c) => ({ do: "forward", c, pick: this.#below(8), to: this.#channel() })],
    [1, (c) => ({ do: "rewrite", c, pick: this.#below(8) })],
    [1.5, (c) => ({ do: "write", c, pick: this.#below(8) })],
    [1, (c) => ({ do: "released", c, pick: this.#below(8), ...this.#limits() })],
    [1.5, () => ({ do: "inspect", pick: this.#below(8), how: this.#one(READS) })],
    [
      0.6,
      (c) => [
        {
          do: "pool",
          host: this.#opened[c]!.producer,
          count: 1 + this.#below(4),
          size: 12 + this.#size(),
          shared: this.#chance(0.9),
        },
        { do: "tryTake", pick: 0 },
      ],
    ],
    [3, () => ({ do: "take", pick: this.#below(3), ...this.#limits() })],
    [2, () => ({ do: "tryTake", pick: this.#below(3) })],
    [3, () => ({ do: "put", pick: this.#below(8), twice: this.#chance(0.2) })],
    [0.1, () => ({ do: "closePool", pick: this.#below(3) })],
    [0.4, () => ({ do: "closeBuffer", pick: this.#below(8) })],
    [1, (c) => ({ do: "hand", c, pick: this.#below(50), api: this.#one(APIS) })],
    [
      0.3,
      (c) => [
        { do: "trySend", c, as: "Uint8Array", size: this.#one(LARGE), times: 1 },
        { do: "tryRecv", c, times: 5 },
        { do: "hand", c, pick: this.#below(50), api: this.#one(APIS) },
        { do: "close", c, role: this.#role() },
      ],
    ],
    [0.15, (c) => ({ do: "transfer", c, pick: this.#below(50) })],
    [0.3, () => ({ do: "touch" })],
    [0.5, (c) => ({ do: "wrong", c, what: this.#wrong() })],
    [1, (c) => ({ do: "stats", c })],
    [0.5, (c) => ({ do: "taken", c, role: this.#role(), host: this.#one(["here", "copy"]) })],
    [0.15, () => ({ do: "alone", role: this.#role(), host: "here", wait: this.#below(3), abort: this.#chance(0.5) })],
    [0.5, (c) => ({ do: "close", c, role: this.#role() })],
    [2, () => ({ do: "turn", turns: 1 + this.#below(3) })],
    [1.5, () => ({ do: "quiesce" })],
  ];

  /** One more step. Where an end may be ended, it is so now and then. */
  step(): void {
    if (this.#chance(0.02) && this.#opened.length < 5) {
      this.open();
      return;
    }
    const c = this.#channel();
    if (this.#chance(0.08)) {
      const role = this.#role();
      const host = this.#opened[c]![role];
      const blocks = role === "consumer" && host === "mortal-worker";
      if (blocks && this.#chance(0.5)) this.steps.push({ do: "block", c }, { do: "turn", turns: this.#below(20) });
      if (host.startsWith("mortal-")) this.steps.push({ do: "kill", c, role });
    }
    const weights = this.#makers.map(([weight], i) => weight * (0.15 + (this.#taste[i] as number)));
    let left = this.#next() * weights.reduce((sum, weight) => sum + weight, 0);
    const index = weights.findIndex((weight) => (left -= weight) < 0);
    const step = this.#makers[Math.max(index, 0)]![1](c);
    this.steps.push(...[step].flat());
  }

  get length(): number {
    return 5 + this.#below(this.#chance(0.2) ? 150 : 50);
  }
}

export function generate(seed: number): Program {
  const maker = new Maker(seed);
  maker.open();
  for (let left = maker.length; left > 0; left--) maker.step();
  return { seed, steps: maker.steps };
}
