/** A peer that is lost: told at whatever pace, and the role is free for its next start. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Channel, type Consumer, type Producer } from "../../src/index.ts";
import { ProcessPeer } from "./peers.ts";
import { failure, hasProc, PATIENT, pair, privateDirectory, unique } from "./support.ts";

privateDirectory();

const OTHER = { producer: "consumer", consumer: "producer" } as const;
type Role = keyof typeof OTHER;
const small = new Uint8Array(16);

function busy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

/** Meets a peer in another process that neither sends nor receives. */
async function connect<Mine extends Role>(role: Mine) {
  const name = unique("lost");
  const peer = new ProcessPeer("opening/attempt", { name, role: OTHER[role] });
  const channel = await Channel.open<Mine>(name, { role });
  return { name, peer, channel };
}

/** Kills without letting the event loop turn: returns when the kernel has taken the process's descriptors back. */
function killAtOnce({ pid }: ProcessPeer): void {
  process.kill(pid, "SIGKILL");
  // "Z" after the name in brackets: only its exit code is left.
  while (!/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"))) busy(1);
}

/** Each call is rare; the event loop never turns. How many calls it took until one threw PEER_DIED. */
function callsUntilTold(call: () => unknown): number {
  for (let calls = 1; calls < 100; calls++) {
    busy(25);
    try {
      call();
    } catch (error) {
      expect(error).toMatchObject({ code: "PEER_DIED" });
      return calls;
    }
  }
  return Number.POSITIVE_INFINITY;
}

describe.skipIf(!hasProc)("a channel whose calls never wait", () => {
  test(
    "a producer learns of the consumer's death",
    async () => {
      const { peer, channel } = await connect("producer");
      await using _ = channel;
      for (let i = 0; i < 100; i++) channel.trySend(small);
      killAtOnce(peer);
      expect(callsUntilTold(() => channel.trySend(small))).toBeLessThanOrEqual(17);
      await peer[Symbol.asyncDispose]();
    },
    PATIENT,
  );

  test(
    "a consumer learns of the producer's death",
    async () => {
      const { peer, channel } = await connect("consumer");
      await using _ = channel;
      for (let i = 0; i < 100; i++) channel.tryRecv();
      killAtOnce(peer);
      expect(callsUntilTold(() => channel.tryRecv())).toBeLessThanOrEqual(17);
      await peer[Symbol.asyncDispose]();
    },
    PATIENT,
  );
});

test(
  "the first send after the consumer's death throws PEER_DIED",
  async () => {
    const { peer, channel } = await connect("producer");
    await using _ = channel;
    const sendRarely = async () => {
      await Bun.sleep(50); // the pace is what the test is of
      await channel.send(small);
    };
    await sendRarely();
    await peer[Symbol.asyncDispose]();
    await failure("PEER_DIED", async () => {
      for (let i = 0; i < 2; i++) await sendRarely();
    });
  },
  PATIENT,
);

describe("the name is free again", () => {
  for (const role of ["producer", "consumer"] as const) {
    const use = (channel: Producer | Consumer) => (channel.role === "producer" ? channel.send(small) : channel.recv());

    test(
      `for a ${role} that got PEER_DIED, and connects to the restarted peer`,
      async () => {
        const { name, peer, channel } = await connect(role);
        await peer[Symbol.asyncDispose]();
        await failure("PEER_DIED", async () => {
          for (;;) await use(channel);
        });
        await using next = new ProcessPeer("opening/attempt", { name, role: OTHER[role] });
        await using again = await Channel.open(name, { role });
        expect(await next.heard()).toBe("taken");
        // Its close has nothing to do with the role that the new one has.
        await channel.close();
        await failure("NAME_IN_USE", () => Channel.open(name, { role }));
        expect(again.stats.queued).toBe(0);
      },
      PATIENT,
    );

    test(`for a ${role} whose peer has closed`, async () => {
      const name = unique("closed");
      const ends = await pair({ name });
      await using mine = ends[role];
      await ends[OTHER[role]].close();
      await failure("CHANNEL_CLOSED", () => use(mine));
      await using both = await pair({ name });
      expect(both[role].stats.queued).toBe(0);
    });
  }

  test(
    "for an idle producer, by its event fd",
    async () => {
      const { name, peer, channel } = await connect("producer");
      await using _ = channel;
      await peer[Symbol.asyncDispose]();
      // No peer comes: TIMEOUT when the role was free.
      let code = "NAME_IN_USE";
      for (let tries = 0; code === "NAME_IN_USE" && tries < 2000; tries++) {
        await Bun.sleep(1);
        await Channel.open(name, { role: "producer", timeoutMs: 1000 }).catch((error) => {
          code = error.code;
        });
      }
      expect(code).toBe("TIMEOUT");
    },
    PATIENT,
  );

  test("after `for await` has ended, with a frame that is still valid", async () => {
    const name = unique("ended");
    const { producer, consumer } = await pair({ name });
    const large = new Uint8Array(10_000).fill(7);
    await producer.send(large);
    await producer.send(small);
    await producer.close();
    const kept = await consumer.recv();
    for await (const frame of consumer) frame.release();
    await using both = await pair({ name });
    await both.producer.send(new Uint8Array(10_000).fill(8));
    (await both.consumer.recv()).release();
    expect(kept.bytes.every((byte) => byte === 7)).toBe(true);
    await consumer.close();
  });

  test("after a loan could not be sent", async () => {
    const { name, peer, channel } = await connect("producer");
    await using _ = channel;
    const loan = await channel.loan(1000);
    await peer[Symbol.asyncDispose]();
    let told: unknown;
    try {
      loan.commit();
    } catch (error) {
      told = error;
    }
    // The kernel is asked with one of the next uses at the latest.
    for (let i = 0; told === undefined && i < 17; i++) {
      busy(25);
      try {
        (await channel.loan(1000)).commit();
      } catch (error) {
        told = error;
      }
    }
    expect(told).toMatchObject({ code: "PEER_DIED" });
    await failure("TIMEOUT", () => Channel.open(name, { role: "producer", timeoutMs: 1000 }));
  });
});

describe("the reason in a TIMEOUT", () => {
  test("names frames that are held", async () => {
    await using both = await pair();
    const large = new Uint8Array(8 << 20);
    const held = [];
    while (both.producer.trySend(large)) held.push(await both.consumer.recv());
    const count = held.length;
    expect(both.consumer.stats.held).toBe(count);
    expect(both.producer.stats.held).toBe(count);
    const full = await failure("TIMEOUT", () => both.producer.send(large, { timeoutMs: 1 }));
    expect(full.message).toContain(`${count} frames were received and never released`);
    const notAll = await failure("TIMEOUT", () => both.producer.flush({ timeoutMs: 1 }));
    expect(notAll.message).toContain(`${count} frames were received and never released`);
    const nothing = await failure("TIMEOUT", () => both.consumer.recv({ timeoutMs: 1 }));
    expect(nothing.message).toContain(`${count} frames were held here and never released`);
    for (const frame of held) frame.release();
    expect(both.consumer.stats.held).toBe(0);
    await both.producer.send(large);
  });

  test("names a peer that is connected and idle", async () => {
    await using both = await pair();
    const none = await failure("TIMEOUT", () => both.consumer.recv({ timeoutMs: 1 }));
    expect(none.message).toContain("the producer is there, and has sent nothing yet");
    let sent = 0;
    while (both.producer.trySend(small)) sent++;
    const full = await failure("TIMEOUT", () => both.producer.send(small, { timeoutMs: 1 }));
    expect(full.message).toContain(`the consumer is there, ${sent} frames were sent and not yet released`);
  });
});
