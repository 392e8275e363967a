/**
 * What a user would pick without this library, driven all in the same way: a ping-pong of 64 bytes, then a stream of
 * 1 MiB blocks of which at most WINDOW are unanswered. The first process (or thread) writes the samples as JSON.
 *
 *     peer.ts first|second KIND PATH ROUNDS BLOCKS [COMMAND OF THE SECOND...]
 *
 * Kinds: await (lava-flow, both ends in `for await`), ipc, socket, worker-copy, worker-transfer.
 */
import { Channel, type Consumer, type Producer } from "../../src/index.ts";

const [side, kind, path = "", roundCount, blockCount, ...second] = Bun.argv.slice(2);
const rounds = Number(roundCount);
const blocks = Number(blockCount);
const SMALL = 64;
const LARGE = 1 << 20;
const BATCH = 100;
/** Round trips that are measured one by one. */
const SINGLE = rounds / 5;
const WINDOW = 8;
const WARM = 0.2;

/** One end of a connection. `onMessage` is called for each whole message of `expected` bytes that has arrived. */
abstract class Wire {
  expected = SMALL;
  /** Messages that came before anybody looked for one. */
  early = 0;
  onMessage: () => void = () => {
    this.early++;
  };
  readonly #payload = new Map<number, Uint8Array<ArrayBuffer>>();
  /** Where the next message is written; for one that is given away, another each time. */
  payload(bytes: number): Uint8Array<ArrayBuffer> {
    let found = this.#payload.get(bytes);
    if (!found) this.#payload.set(bytes, (found = new Uint8Array(new ArrayBuffer(bytes))));
    return found;
  }
  abstract send(payload: Uint8Array<ArrayBuffer>): void;
  abstract close(): void | Promise<void>;

  protected arrived(got: Uint8Array): void {
    if (got.length !== this.expected) throw new Error(`${got.length} bytes where ${this.expected} were due`);
    seen += got[0]! + got[got.length - 1]!;
    this.onMessage();
  }
}

/** What was read, so that reading is not optimised away. */
let seen = 0;

class ChannelWire extends Wire {
  constructor(
    readonly to: Producer,
    readonly from: Consumer,
  ) {
    super();
  }
  static async open(): Promise<ChannelWire> {
    const first = side === "first";
    const open = <Role extends "producer" | "consumer">(direction: string, role: Role) =>
      Channel.open<Role>(`${path.split("/").at(-1)}.${direction}`, { role, profile: "low-latency" });
    const wire = new ChannelWire(
      ...(await Promise.all([open(first ? "there" : "back", "producer"), open(first ? "back" : "there", "consumer")])),
    );
    wire.#receive();
    return wire;
  }
  async #receive(): Promise<void> {
    for await (const frame of this.from) this.arrived(frame.bytes);
  }
  send(payload: Uint8Array): void {
    if (!this.to.trySend(payload)) throw new Error("no room");
  }
  async close(): Promise<void> {
    await this.to.flush();
    await this.to.close();
  }
}

class IpcWire extends Wire {
  readonly #end: { send(message: Uint8Array): unknown; disconnect(): void };
  constructor() {
    super();
    const take = (message: Uint8Array) => this.arrived(message);
    if (side === "first") {
      this.#end = Bun.spawn(second, { serialization: "advanced", ipc: take, stdout: "inherit", stderr: "inherit" });
    } else {
      process.on("message", take);
      this.#end = { send: (message) => process.send!(message), disconnect: () => process.disconnect?.() };
    }
  }
  send(payload: Uint8Array): void {
    this.#end.send(payload);
  }
  close(): void {
    this.#end.disconnect();
  }
}

interface Socket {
  write(data: Uint8Array): number;
  end(): void;
}

class SocketWire extends Wire {
  #socket: Socket | null = null;
  #got = 0;
  readonly #waiting: Uint8Array[] = [];
  static async open(): Promise<SocketWire> {
    const wire = new SocketWire();
    const { promise, resolve } = Promise.withResolvers<Socket>();
    const socket = {
      open: resolve,
      data: (_: unknown, bytes: Uint8Array) => wire.#take(bytes),
      drain: () => wire.#flush(),
    };
    if (side === "first") {
      const listener = Bun.listen({ unix: path, socket });
      Bun.spawn(second, { stdout: "inherit", stderr: "inherit" });
      wire.#socket = await promise;
      listener.stop();
    } else {
      await Bun.connect({ unix: path, socket });
      wire.#socket = await promise;
    }
    return wire;
  }
  /** A stream of bytes: a message is complete when as many have come. */
  #take(bytes: Uint8Array): void {
    seen += bytes[0]!;
    this.#got += bytes.length;
    while (this.#got >= this.expected) {
      this.#got -= this.expected;
      this.onMessage();
    }
  }
  send(payload: Uint8Array): void {
    this.#waiting.push(payload);
    if (this.#waiting.length === 1) this.#flush();
  }
  #flush(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const written = this.#socket!.write(next);
      if (written < next.length) {
        this.#waiting[0] = next.subarray(Math.max(0, written));
        return;
      }
      this.#waiting.shift();
    }
  }
  close(): void {
    this.#socket?.end();
  }
}

interface Port {
  postMessage(message: unknown, transfer?: Bun.Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

class WorkerWire extends Wire {
  readonly #port: Port;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  readonly #transfers = kind === "worker-transfer";
  constructor() {
    super();
    this.#port = Bun.isMainThread
      ? new Worker(import.meta.url, { argv: ["second", ...Bun.argv.slice(3)] })
      : (globalThis as unknown as Port);
    this.#port.onmessage = ({ data }) => {
      if (this.#transfers) this.#free.push(data);
      this.arrived(data);
    };
  }
  /** A buffer that was given away comes back as another message: those are written again. */
  override payload(bytes: number): Uint8Array<ArrayBuffer> {
    if (!this.#transfers) return super.payload(bytes);
    const back = this.#free.pop();
    return back?.length === bytes ? back : new Uint8Array(new ArrayBuffer(bytes));
  }
  send(payload: Uint8Array<ArrayBuffer>): void {
    if (this.#transfers) this.#port.postMessage(payload, [payload.buffer]);
    else this.#port.postMessage(payload);
  }
  close(): void {
    if (Bun.isMainThread) (this.#port as Worker).terminate();
  }
}

function open(): Wire | Promise<Wire> {
  if (kind === "await") return ChannelWire.open();
  if (kind === "ipc") return new IpcWire();
  if (kind === "socket") return SocketWire.open();
  return new WorkerWire();
}

/** A transferred block comes back whole as its own answer; every other answer is small. */
const ANSWER = kind === "worker-transfer" ? LARGE : SMALL;

/** Nanoseconds one way: the mean of each `batch` round trips. */
function pingPong(wire: Wire, rounds: number, batch: number): Promise<number[]> {
  return new Promise((resolve) => {
    const samples: number[] = [];
    let n = 0;
    let start = Bun.nanoseconds();
    const send = () => {
      const payload = wire.payload(SMALL);
      payload[0] = payload[SMALL - 1] = n;
      wire.send(payload);
    };
    wire.onMessage = () => {
      if (++n % batch === 0) {
        const now = Bun.nanoseconds();
        samples.push((now - start) / batch / 2);
        start = now;
      }
      if (n < rounds) send();
      else resolve(samples);
    };
    send();
  });
}

function stream(wire: Wire, blocks: number): Promise<number[]> {
  return new Promise((resolve) => {
    const samples: number[] = [];
    let sent = 0;
    let answered = 0;
    let start = Bun.nanoseconds();
    const send = () => {
      const payload = wire.payload(LARGE);
      payload[0] = payload[LARGE - 1] = sent++;
      wire.send(payload);
    };
    wire.expected = ANSWER;
    wire.onMessage = () => {
      if (++answered % WINDOW === 0) {
        const now = Bun.nanoseconds();
        samples.push((LARGE * WINDOW) / (now - start));
        start = now;
      }
      if (sent < blocks) send();
      else if (answered === blocks) resolve(samples);
    };
    for (let i = 0; i < WINDOW; i++) send();
  });
}

function answer(wire: Wire, bytes: number, answerBytes: number, count: number): Promise<void> {
  return new Promise((resolve) => {
    let n = 0;
    wire.expected = bytes;
    wire.onMessage = () => {
      const payload = wire.payload(answerBytes);
      payload[0] = payload[answerBytes - 1] = n;
      wire.send(payload);
      if (++n === count) resolve();
    };
  });
}

const wire = await open();
if (side === "first" && Bun.isMainThread) {
  await ready(wire);
  const latency = await pingPong(wire, rounds, BATCH);
  const single = await pingPong(wire, SINGLE, 1);
  const streamed = blocks > 0 ? await stream(wire, blocks) : [];
  const warm = (samples: number[]) => samples.slice(samples.length * WARM);
  console.log(JSON.stringify({ latency: warm(latency), single, stream: warm(streamed) }));
  await wire.close();
  process.exit(Number.isNaN(seen) ? 1 : 0);
} else {
  const hello = wire.payload(SMALL);
  const answering = answer(wire, SMALL, SMALL, rounds + SINGLE);
  wire.send(hello);
  await answering;
  if (blocks > 0) await answer(wire, LARGE, ANSWER, blocks);
}

/** The second side speaks first: it is there. */
function ready(wire: Wire): Promise<void> {
  return wire.early > 0 ? Promise.resolve() : new Promise((resolve) => (wire.onMessage = resolve));
}
