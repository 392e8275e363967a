/** Does the steps of a program in one module graph: knows nothing of what is right, and answers in plain data. */
import { readFile, unlink, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { ChannelProfile, Consumer, Frame, Loan, MemoryBuffer, Producer } from "../../src/index.ts";
import { bytesIn, fill, type Kind, keyOf, payload, takeAway } from "./content.ts";
import { type Counts, counts } from "./counts.ts";
import { Memory, type MemoryCommand } from "./memory.ts";
import type { Role, Wrong } from "./program.ts";

export type Lava = typeof import("../../src/index.ts");

/** What else bytes are handed to. */
export const APIS = ["gzip", "zstd", "digest", "response", "blob", "file"] as const;
export type Api = (typeof APIS)[number];

export interface Limits {
  wait?: number;
  /** The number of the signal that ends it. */
  signal?: number;
}

/** What is opened, received or lent has the number that the command gives it. */
export type Command =
  | MemoryCommand
  | ({ op: "open"; end: number; name: string; role: Role; profile?: ChannelProfile } & Limits)
  | { op: "close"; end: number }
  | ({ op: "send"; end: number; as: Kind; size: number; id: number; spoil?: boolean } & Limits)
  | { op: "trySend"; end: number; as: Kind; size: number; ids: number[] }
  | ({ op: "loan"; end: number; loan: number; size: number } & Limits)
  | { op: "tryLoan"; end: number; loan: number; size: number }
  | { op: "commit"; loan: number; size: number; id: number }
  | { op: "abortLoan"; loan: number }
  | ({ op: "recv"; end: number; frame: number } & Limits)
  | { op: "tryRecv"; end: number; frame: number }
  | { op: "recvSync"; end: number; frame: number; wait: number; spin: number }
  | { op: "iterate"; end: number; frames: number }
  | { op: "check"; frame: number }
  | { op: "release"; frame: number; twice: boolean }
  | ({ op: "flush"; end: number } & Limits)
  | { op: "abort"; signal: number }
  | ({ op: "sendBuffer"; end: number; buffer: number; now: boolean } & Limits)
  | { op: "forward"; end: number; frame: number }
  | { op: "hand"; frame: number; api: Api }
  | { op: "transfer"; frame: number }
  | { op: "touch" }
  | { op: "wrong"; end: number; what: Wrong }
  | { op: "stats"; end: number }
  /** What its process has of the system, as against an earlier time. */
  | { op: "counts"; former?: Counts }
  /** Collects garbage. */
  | { op: "collect" }
  /** Forgets everything; the program is over. */
  | { op: "end" };

/** An error is its code, or the class's name where it is no LavaFlowError. */
export type Answer = { value: unknown } | Failure;

export interface Failure {
  error: string;
  message: string;
}

/** How many of a row of calls sent something, and what the next one threw. */
export interface Tried {
  count: number;
  failure: Failure | null;
}

/** What `for await` received, and what it threw. */
export interface Iterated {
  got: Got[];
  failure: Failure | null;
}

export interface Opened {
  name: string;
  role: Role;
  transport: string;
}

export interface Got {
  key: string;
  size: number;
  sequence: number;
  /** The peer sent a MemoryBuffer. */
  memory: boolean;
}

let files = 0;

const handed: Record<Api, (bytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>> = {
  gzip: async (bytes) => promisify(gunzip)(await promisify(gzip)(bytes)),
  zstd: async (bytes) => Bun.zstdDecompress(await Bun.zstdCompress(bytes)),
  digest: async (bytes) => {
    const copy = bytes.slice();
    const digest = Buffer.from(await crypto.subtle.digest("SHA-256", bytes));
    return digest.equals(Bun.SHA256.hash(copy) as Uint8Array) ? copy : Buffer.from("another digest");
  },
  response: async (bytes) => new Response(bytes).bytes(),
  blob: async (bytes) => new Blob([bytes]).bytes(),
  file: async (bytes) => {
    const path = `${process.env.LAVA_FLOW_RUNTIME_DIR}-bytes-${process.pid}-${Bun.isMainThread}-${files++}`;
    await writeFile(path, bytes);
    const read = await readFile(path);
    await unlink(path);
    return read;
  },
};

export class Agent {
  readonly #lava: Lava;
  readonly #ends = new Map<number, Producer | Consumer>();
  readonly #frames = new Map<number, Frame>();
  readonly #loans = new Map<number, Loan>();
  readonly #memory: Memory;
  readonly #signals = new Map<number, AbortController>();
  readonly #clones: ArrayBuffer[] = [];

  /** `buffers`: those of other agents of this thread can be sent too. */
  constructor(lava: Lava, buffers = new Map<number, MemoryBuffer>()) {
    this.#lava = lava;
    this.#memory = new Memory(lava, buffers, (limits) => this.#limits(limits));
  }

  /** At once where the call is synchronous. */
  run(command: Command): Answer | Promise<Answer> {
    try {
      const value = this.#do(command);
      return value instanceof Promise ? value.then((value) => ({ value }), failed) : { value };
    } catch (error) {
      return failed(error);
    }
  }

  #do(command: Command): unknown {
    switch (command.op) {
      case "open":
        return this.#open(command);
      case "close":
        return command.end % 2 ? this.#end(command.end).close() : this.#end(command.end)[Symbol.asyncDispose]();
      case "send": {
        const bytes = payload(command.as, command.size, command.id) as Uint8Array;
        const sent = this.#producer(command.end).send(bytes, this.#limits(command));
        if (command.spoil) takeAway(bytes);
        return command.spoil ? sent : sent.then(() => wipe(bytes));
      }
      case "trySend": {
        const end = this.#producer(command.end);
        const { as, size, ids } = command;
        let count = 0;
        try {
          for (; count < ids.length; count++) {
            const bytes = payload(as, size, ids[count]!) as Uint8Array;
            if (!end.trySend(bytes)) break;
            wipe(bytes);
          }
        } catch (error) {
          return { count, failure: failed(error) };
        }
        return { count, failure: null };
      }
      case "loan":
        return this.#producer(command.end)
          .loan(command.size, this.#limits(command))
          .then((loan) => this.#lend(command, loan));
      case "tryLoan": {
        const loan = this.#producer(command.end).tryLoan(command.size);
        return loan !== null && this.#lend(command, loan);
      }
      case "commit": {
        const loan = this.#loans.get(command.loan) as Loan;
        fill(bytesIn(command.id % 2 ? loan.bytes : loan.view(DataView)).subarray(0, command.size), command.id);
        return loan.commit(command.size);
      }
      case "abortLoan":
        return (this.#loans.get(command.loan) as Loan).abort();
      case "recv":
        return this.#consumer(command.end)
          .recv(this.#limits(command))
          .then((frame) => this.#take(command.frame, frame));
      case "tryRecv": {
        const frame = this.#consumer(command.end).tryRecv();
        return frame && this.#take(command.frame, frame);
      }
      case "recvSync": {
        const frame = this.#consumer(command.end).recvSync({ timeoutMs: command.wait, spinUs: command.spin });
        return frame && this.#take(command.frame, frame);
      }
      case "iterate":
        return this.#iterate(this.#consumer(command.end), command.frames);
      case "check":
        return checked(this.#frames.get(command.frame) as Frame);
      case "release":
        return this.#release(command.frame, command.twice);
      case "flush":
        return this.#producer(command.end).flush(this.#limits(command));
      case "abort":
        return this.#signal(command.signal).abort();
      case "sendBuffer": {
        const buffer = this.#memory.buffer(command.buffer);
        const end = this.#producer(command.end);
        return command.now ? end.trySend(buffer) : end.send(buffer, this.#limits(command));
      }
      case "forward":
        return this.#producer(command.end).trySend((this.#frames.get(command.frame) as Frame).buffer as MemoryBuffer);
      case "hand": {
        const { bytes } = this.#frames.get(command.frame) as Frame;
        return handed[command.api](bytes as Uint8Array<ArrayBuffer>).then(keyOf);
      }
      case "transfer": {
        const buffer = (this.#frames.get(command.frame) as Frame).bytes.buffer as ArrayBuffer;
        this.#clones.push(structuredClone(buffer, { transfer: [buffer] }));
        return;
      }
      case "touch":
        for (const clone of this.#clones) readAll(new Uint8Array(clone));
        return;
      case "wrong":
        return this.#wrong(this.#producer(command.end), command.what);
      case "stats":
        return this.#end(command.end).stats;
      case "counts":
        return counts(command.former);
      case "collect":
        return Bun.gc(true);
      case "end":
        return this.#forget();
      default:
        return this.#memory.do(command);
    }
  }

  /** Every third one with an allocator and locations of its own. */
  async #open({ end, name, role, profile, ...limits }: Command & { op: "open" }): Promise<Opened> {
    const { Channel, ProcessLocation } = this.#lava;
    const options = { role, profile, ...this.#limits(limits) };
    const location = ProcessLocation.detect();
    const more = { allocator: this.#memory.allocator, location, peer: { hostname: location.hostname } };
    const channel = await Channel.open(name, end % 3 > 0 ? options : { ...options, ...more });
    this.#ends.set(end, channel);
    return { name: channel.name, role: channel.role, transport: channel.route.transport };
  }

  #lend({ loan }: { loan: number }, what: Loan): true {
    this.#loans.set(loan, what);
    return true;
  }

  #take(number: number, frame: Frame): Got {
    this.#frames.set(number, frame);
    return describe(frame);
  }

  async #iterate(end: Consumer, most: number): Promise<Iterated> {
    const got: Got[] = [];
    try {
      for await (const frame of end) {
        got.push(describe(frame));
        if (got.length === most) break;
      }
    } catch (error) {
      return { got, failure: failed(error) };
    }
    return { got, failure: null };
  }

  #release(number: number, twice: boolean): string {
    const frame = this.#frames.get(number) as Frame;
    if (number % 2) frame.release();
    else frame[Symbol.dispose]();
    this.#frames.delete(number);
    if (!twice) return "CLOSED";
    try {
      frame.release();
      return "nothing";
    } catch (error) {
      return failed(error).error;
    }
  }

  #wrong(end: Producer, what: Wrong): unknown {
    const shrunk = () => {
      const buffer = new ArrayBuffer(100, { maxByteLength: 200 });
      const views = [new Uint8Array(buffer, 10, 80), new DataView(buffer, 10, 80)] as const;
      buffer.resize(10);
      return views;
    };
    const send = (value: unknown) => end.send(value as Uint8Array);
    switch (what) {
      case "text":
        return send("text");
      case "object":
        return send({ byteLength: 8 });
      case "nothing":
        return send(undefined);
      case "detached": {
        const bytes = new Uint8Array(100);
        bytes.buffer.transfer();
        return send(bytes);
      }
      case "out-of-bounds":
        return send(shrunk()[0]);
      case "view-out-of-bounds":
        return send(shrunk()[1]);
      case "limits":
        return end.send(new Uint8Array(1), { timeoutMs: Number.NaN });
    }
  }

  #end(end: number): Producer | Consumer {
    return this.#ends.get(end) as Producer | Consumer;
  }

  #producer(end: number): Producer {
    return this.#ends.get(end) as Producer;
  }

  #consumer(end: number): Consumer {
    return this.#ends.get(end) as Consumer;
  }

  #signal(number: number): AbortController {
    let signal = this.#signals.get(number);
    if (!signal) this.#signals.set(number, (signal = new AbortController()));
    return signal;
  }

  #limits({ wait, signal }: Limits): { timeoutMs?: number; signal?: AbortSignal } | undefined {
    if (wait === undefined && signal === undefined) return undefined;
    return {
      ...(wait === undefined ? {} : { timeoutMs: wait }),
      ...(signal === undefined ? {} : { signal: this.#signal(signal).signal }),
    };
  }

  #forget(): void {
    this.#memory.forget();
    for (const all of [this.#ends, this.#frames, this.#loans, this.#signals]) all.clear();
    this.#clones.length = 0;
  }
}

function describe(frame: Frame): Got {
  const { bytes, sizeBytes: size, sequence, buffer } = frame;
  if (bytes.length !== size) return { key: `damaged: ${bytes.length} of ${size} bytes`, size, sequence, memory: false };
  return { key: keyOf(bytes), size, sequence, memory: buffer !== undefined };
}

/** As `keyOf`, where all that shows the bytes shows the same. */
function checked(frame: Frame): string {
  const { bytes, sizeBytes: size, buffer } = frame;
  const type = size % 8 === 0 ? Float64Array : size % 2 === 0 ? Uint16Array : DataView;
  const view = frame.view<ArrayBufferView>(type);
  if (view.buffer !== bytes.buffer || view.byteOffset !== bytes.byteOffset || view.byteLength !== size) {
    return `a view of ${view.byteLength} of ${size} bytes at ${view.byteOffset}, not at ${bytes.byteOffset}`;
  }
  if (size % 2 === 1) {
    try {
      return `${frame.view(Uint16Array).length} words in ${size} bytes`;
    } catch (error) {
      if (failed(error).error !== "INVALID_ARGUMENT") throw error;
    }
  }
  const found = keyOf(bytes);
  const same = buffer === undefined || keyOf(buffer.bytes) === found;
  return same ? found : `${found}, and ${keyOf(buffer.bytes)} as a buffer`;
}

/** What was sent may be used again. */
function wipe(bytes: ArrayBufferView | ArrayBuffer): void {
  bytesIn(bytes).fill(0x55);
}

function failed(error: unknown): Failure {
  const { code, name, message } = error as { code?: string; name?: string; message?: string };
  // Of either module graph: `instanceof` would know one of them only.
  return { error: name === "LavaFlowError" ? String(code) : `no LavaFlowError: ${name}`, message: String(message) };
}

/** One byte of each page: memory that is gone would end the process. */
function readAll(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 4096) sum ^= bytes[at] as number;
  return sum;
}
