/** A peer that dies by SIGKILL at any moment, and one that is only stopped. */
import { describe, expect, test } from "bun:test";
import { Channel, type Consumer, MemoryAllocator, type Producer } from "../../src/index.ts";
import { sizeOf } from "../process/dying.ts";
import { content } from "../process/payload.ts";
import { ProcessPeer } from "./peers.ts";
import { count, failure, PATIENT, privateDirectory, random, seed, unique } from "./support.ts";

privateDirectory();

const OTHER = { producer: "consumer", consumer: "producer" } as const;
type Role = keyof typeof OTHER;

/** Milliseconds from the signal to the error, of each kill. */
const detection: number[] = [];

/** One side that survives a series of peers under one name. */
class Survivor {
  readonly #name = unique("mortal");
  readonly #next: () => number;
  readonly #allocator = new MemoryAllocator();
  kills = 0;

  constructor(seed: number) {
    this.#next = random(seed);
  }

  /** Meets a peer of the other role, which is killed sooner or later, and checks what it left. */
  async connectAndLose(role: Role): Promise<void> {
    const opening = Channel.open(this.#name, { role });
    await using first = this.#start(OTHER[role]);
    let killedAt = 0;
    if (this.#next() < 0.3) {
      // The random delay kills the peer before, during or after the handshake.
      await Bun.sleep(this.#next() * 40);
      killedAt = performance.now();
      await this.#kill(first);
    }
    // The peer may not have reached the handshake the first time.
    await using second = killedAt > 0 ? this.#start(OTHER[role]) : null;
    await using channel = await opening;
    const met = second !== null && second.pid === channel.route.peer.pid ? second : first;
    if (met === second) killedAt = 0;
    if (channel.role === "consumer") await this.#receive(channel, met, killedAt);
    else await this.#send(channel, met, killedAt);
  }

  close(): void {
    this.#allocator.close();
  }

  #start(role: Role): ProcessPeer {
    return new ProcessPeer(`dying/${role}`, { name: this.#name, seed: Math.floor(this.#next() * 1e9) });
  }

  async #kill(peer: ProcessPeer): Promise<void> {
    this.kills++;
    await peer.kill();
  }

  /** When to kill: after a number of frames, and a moment later. */
  #moment(): { frames: number; microseconds: number } {
    return { frames: Math.floor(this.#next() ** 3 * 400), microseconds: this.#next() * 2000 };
  }

  async #strike(peer: ProcessPeer, microseconds: number): Promise<number> {
    const end = Bun.nanoseconds() + microseconds * 1000;
    while (Bun.nanoseconds() < end);
    const at = performance.now();
    peer.signal("SIGKILL");
    this.kills++;
    return at;
  }

  /** Every committed frame arrives whole and in order, then PEER_DIED. */
  async #receive(channel: Consumer, peer: ProcessPeer, killedAt: number): Promise<void> {
    const { frames, microseconds } = this.#moment();
    let at = killedAt;
    let ledger: Uint32Array | undefined;
    let got = 0;
    let last = 0;
    const error = await failure("PEER_DIED", async () => {
      for (;;) {
        if (at === 0 && got >= frames) at = await this.#strike(peer, microseconds);
        const frame = await channel.recv();
        if (frame.buffer) {
          // The sender's own count of what it has committed. The frame is held, so the memory stays.
          ledger = frame.buffer.view(Uint32Array);
          last = ledger[0] as number;
          continue;
        }
        const expected = content({ size: sizeOf(frame.sequence), seed: frame.sequence });
        if (frame.sequence !== ++got) throw new Error(`frame ${frame.sequence} came instead of ${got}`);
        if (Buffer.compare(frame.bytes, expected) !== 0) throw new Error(`frame ${got} is not what was sent`);
        frame.release();
      }
    });
    if (killedAt === 0) detection.push(performance.now() - at);
    expect(error.message).toContain("died");
    const committed = ledger ? (ledger[0] as number) : 0;
    expect(last).toBeLessThanOrEqual(committed);
    // It may have died after a commit and before it counted it.
    expect([committed, committed + 1]).toContain(got);
  }

  /** Everything is taken up to the death, then PEER_DIED, and what was not released is known. */
  async #send(channel: Producer, peer: ProcessPeer, killedAt: number): Promise<void> {
    const { frames, microseconds } = this.#moment();
    const buffer = this.#allocator.allocate(4096, { kind: "host", shared: true });
    const ledger = buffer.view(Uint32Array);
    let at = killedAt;
    let sent = 0;
    await failure("PEER_DIED", async () => {
      await channel.send(buffer);
      for (;;) {
        if (at === 0 && sent >= frames) at = await this.#strike(peer, microseconds);
        await channel.send(content({ size: sizeOf(sent + 1), seed: sent + 1 }));
        sent++;
      }
    });
    if (killedAt === 0) detection.push(performance.now() - at);
    await failure("PEER_DIED", () => channel.trySend(Uint8Array.of(1)));
    const { framesSent, queued } = channel.stats;
    if (queued > 0) await failure("PEER_DIED", () => channel.flush());
    const [released, wrong] = [ledger[0] as number, ledger[1] as number];
    expect(wrong).toBe(0);
    // The buffer itself is one of those that were sent, and never released.
    expect([released, released + 1]).toContain(framesSent - queued);
    expect(framesSent - queued).toBeLessThanOrEqual(framesSent);
    buffer.close();
  }
}

describe("SIGKILL", () => {
  const kills = count("LAVA_FLOW_KILLS", 200);
  test(
    `${kills} times, at random: every committed frame, then PEER_DIED`,
    async () => {
      const survivor = new Survivor(seed("kills"));
      for (let i = 0; survivor.kills < kills; i++) await survivor.connectAndLose(i % 2 ? "producer" : "consumer");
      survivor.close();
      detection.sort((a, b) => a - b);
      const p50 = detection[detection.length >> 1] as number;
      const max = detection.at(-1) as number;
      console.log(
        `${survivor.kills} kills; from the signal to PEER_DIED: p50 ${p50.toFixed(1)} ms, max ${max.toFixed(1)} ms`,
      );
    },
    PATIENT + kills * 1000,
  );
});

describe("SIGSTOP", () => {
  test(
    "a stopped consumer: bounded backpressure, no false death, and then everything arrives",
    async () => {
      const name = unique();
      await using peer = new ProcessPeer("exchange/consume", { name });
      await using producer = await Channel.open(name, { role: "producer" });
      peer.signal("SIGSTOP");
      let sent = 0;
      const payload = (i: number) => content({ size: i % 3000, seed: i });
      while (producer.trySend(payload(sent))) sent++;
      expect(producer.stats.queued).toBe(sent);
      await failure("TIMEOUT", () => producer.send(payload(sent), { timeoutMs: 300 }));
      await failure("TIMEOUT", () => producer.flush({ timeoutMs: 300 }));
      await failure("TIMEOUT", () => producer.loan(1000, { timeoutMs: 50 }));
      expect(producer.trySend(payload(sent))).toBe(false);
      expect(producer.stats.queued).toBe(sent);
      peer.signal("SIGCONT");
      await producer.send(payload(sent++));
      await producer.flush();
      await producer.close();
      await peer.heard();
      await peer.heard();
      const { got } = await peer.heard();
      expect(got.length).toBe(sent);
    },
    PATIENT,
  );

  test(
    "a stopped producer: TIMEOUT, not PEER_DIED, and then it goes on",
    async () => {
      const name = unique();
      await using peer = new ProcessPeer("receiving/sendWhenTold", { name });
      await using consumer = await Channel.open(name, { role: "consumer" });
      peer.tell("send");
      (await consumer.recv()).release();
      peer.signal("SIGSTOP");
      peer.tell("send");
      await failure("TIMEOUT", () => consumer.recv({ timeoutMs: 300 }));
      expect(consumer.recvSync({ timeoutMs: 300 })).toBeNull();
      for (let i = 0; i < 5000; i++) expect(consumer.tryRecv()).toBeNull();
      peer.signal("SIGCONT");
      const frame = await consumer.recv();
      expect([...frame.bytes]).toEqual([1]);
    },
    PATIENT,
  );

  for (const role of ["producer", "consumer"] as const) {
    test(
      `an open times out on a ${role} that was stopped before the handshake, and on one that was killed while stopped`,
      async () => {
        const name = unique();
        await using peer = new ProcessPeer("opening/attempt", { name, role });
        await peer.heard();
        peer.signal("SIGSTOP");
        await failure("TIMEOUT", () => Channel.open(name, { role: OTHER[role], timeoutMs: 200 }));
        peer.signal("SIGCONT");
        await using channel = await Channel.open(name, { role: OTHER[role] });
        peer.signal("SIGSTOP");
        await peer.kill();
        await failure("PEER_DIED", async () => {
          if (channel.role === "consumer") await channel.recv();
          else for (;;) await channel.send(new Uint8Array(100_000));
        });
      },
      PATIENT,
    );
  }
});
