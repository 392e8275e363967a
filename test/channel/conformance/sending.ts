/** Sending: full and free queues, the order of frames, and the end of waits. */
import { describe, expect, test } from "bun:test";
import type { Consumer, Producer } from "../../../src/index.ts";
import { openChannel } from "../../process/open.ts";
import { checksum, content, expected, type Got, specs } from "../../process/payload.ts";
import type { Setting } from "../conformance.ts";
import { failure, PATIENT, pair, unique } from "../support.ts";

/** Sends until the queue is full: the number of frames. */
export function fill(producer: Producer, payload: ArrayBufferView): number {
  let sent = 0;
  while (producer.trySend(payload)) sent++;
  return sent;
}

/** Takes all that is there: how many came. */
export function drain(consumer: Consumer): number {
  let got = 0;
  for (let frame = consumer.tryRecv(); frame; frame = consumer.tryRecv()) {
    frame.release();
    got++;
  }
  return got;
}

/** Whether a promise has settled by now, once what is due now has run. */
export async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  const onDone = () => {
    done = true;
  };
  promise.then(onDone, onDone);
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  return done;
}

export function sending({ transport, start }: Setting): void {
  describe("sending", () => {
    for (const size of [0, 64, 120, 121, 4096, 1 << 20]) {
      test(`${size} bytes: false exactly when full, true again after one receive and release`, async () => {
        await using ends = await pair({ transport });
        const { producer, consumer } = ends;
        const payload = new Uint8Array(size);
        const capacity = fill(producer, payload);
        expect(capacity).toBeGreaterThan(1);
        expect(producer.stats).toMatchObject({ queued: capacity, framesSent: capacity, full: 1 });
        for (let round = 0; round < 5; round++) {
          expect(producer.trySend(payload)).toBe(false);
          consumer.tryRecv()!.release();
          expect(producer.trySend(payload)).toBe(true);
        }
        expect(drain(consumer)).toBe(capacity);
        expect(fill(producer, payload)).toBe(capacity);
        expect(drain(consumer)).toBe(capacity);
        expect(producer.stats).toMatchObject({ queued: 0, framesSent: 2 * capacity + 5, full: 7 });
      });
    }

    test("the profile sets the number of slots", async () => {
      const capacities: number[] = [];
      for (const profile of ["low-latency", "cpu-shared", "high-throughput"] as const) {
        await using ends = await pair({ transport, profile });
        capacities.push(fill(ends.producer, new Uint8Array(8)));
      }
      expect(capacities).toEqual(capacities.toSorted((a, b) => a - b));
      expect(new Set(capacities).size).toBe(3);
    });

    test(
      "many small frames of one turn arrive in order, with each kind of send",
      async () => {
        const name = unique();
        const list = specs(Array.from({ length: 9000 }, (_, i) => [8, 0, 120, 121, 40, 3968, 60, 5000][i % 8]!));
        await using other = start("exchange/consume", { name, transport });
        await using producer = await openChannel(name, { role: "producer", transport, profile: "high-throughput" });
        for (const [i, spec] of list.entries()) {
          const bytes = content(spec);
          if (i % 5 === 0) {
            const loan = producer.tryLoan(spec.size) ?? (await producer.loan(spec.size));
            loan.bytes.set(bytes);
            loan.commit();
          } else if (!producer.trySend(bytes)) {
            await producer.send(bytes);
          }
        }
        await producer.close();
        await other.heard();
        await other.heard();
        expect(await other.heard()).toEqual({ got: expected(list) });
      },
      PATIENT,
    );

    test(
      "coalesced frames are sent while the turn of the event loop blocks in recvSync",
      async () => {
        const [name, count] = [unique(), 20];
        await using other = start("exchange/echo", { name, count, transport, profile: "high-throughput" });
        const options = { transport, profile: "high-throughput" } as const;
        const opening = openChannel(`${name}.there`, { ...options, role: "producer" });
        await using from = await openChannel(`${name}.back`, { ...options, role: "consumer" });
        await using to = await opening;
        for (let i = 0; i < count; i++) expect(to.trySend(Uint8Array.of(i))).toBe(true);
        for (let i = 0; i < count; i++) {
          using frame = from.recvSync({ timeoutMs: 20_000 });
          expect(frame?.bytes[0]).toBe(i);
        }
        await other.done;
      },
      PATIENT,
    );

    test("waiting sends keep their order, with any sizes", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      const before = fill(producer, new Uint8Array(8));
      const list = specs(Array.from({ length: 200 }, (_, i) => [8, 3000, 1 << 20, 0, 121][i % 5]!));
      const sends = list.map((spec) => producer.send(content(spec)));
      expect(producer.trySend(Uint8Array.of(1))).toBe(false);
      expect(producer.tryLoan(8)).toBeNull();
      for (let i = 0; i < before; i++) (await consumer.recv()).release();
      const got: Got[] = [];
      for (const _ of list) {
        using frame = await consumer.recv();
        got.push({ sequence: frame.sequence - before, size: frame.sizeBytes, sum: checksum(frame.bytes) });
      }
      await Promise.all(sends);
      expect(got).toEqual(expected(list));
    });

    test(
      "a slow consumer in another process: the queue stays bounded, and every frame arrives",
      async () => {
        const name = unique();
        const list = specs(Array.from({ length: 20_000 }, (_, i) => i % 200));
        await using other = start("exchange/consume", { name, transport, how: "tryRecv" });
        await using producer = await openChannel(name, { role: "producer", transport, profile: "low-latency" });
        await using second = await pair({ transport, profile: "low-latency" });
        const capacity = fill(second.producer, new Uint8Array(100));
        let most = 0;
        for (const spec of list) {
          await producer.send(content(spec));
          most = Math.max(most, producer.stats.queued);
        }
        await producer.close();
        await other.heard();
        await other.heard();
        expect(await other.heard()).toEqual({ got: expected(list) });
        expect(most).toBeLessThanOrEqual(capacity + 1); // one that was taken and not yet released
      },
      PATIENT,
    );

    test("a send that timed out or was aborted sends nothing, and the sends around it succeed", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      const before = fill(producer, new Uint8Array(8));
      const abort = new AbortController();
      const sends = [
        producer.send(Uint8Array.of(1)),
        failure("TIMEOUT", () => producer.send(Uint8Array.of(2), { timeoutMs: 5 })),
        producer.send(Uint8Array.of(3)),
        failure("ABORTED", () => producer.send(Uint8Array.of(4), { signal: abort.signal })),
        producer.send(Uint8Array.of(5)),
      ];
      await sends[1];
      abort.abort(new Error("enough"));
      expect(((await sends[3]) as Error).cause).toEqual(new Error("enough"));
      expect(drain(consumer)).toBe(before);
      await Promise.all(sends);
      for (const value of [1, 3, 5]) {
        using frame = await consumer.recv();
        expect([...frame.bytes]).toEqual([value]);
      }
      expect(consumer.tryRecv()).toBeNull();
    });

    test("calls with an aborted signal reject, and calls with a timeout of 0 try once", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      const signal = AbortSignal.abort();
      await failure("ABORTED", () => producer.send(Uint8Array.of(1), { signal }));
      await failure("ABORTED", () => producer.loan(1, { signal }));
      await failure("ABORTED", () => consumer.recv({ signal }));
      await failure("TIMEOUT", () => consumer.recv({ timeoutMs: 0 }));
      await producer.send(Uint8Array.of(2), { timeoutMs: 0 });
      (await consumer.recv({ timeoutMs: 0 })).release();
      fill(producer, new Uint8Array(8));
      await failure("TIMEOUT", () => producer.send(Uint8Array.of(1), { timeoutMs: 0 }));
      await failure("TIMEOUT", () => producer.loan(1, { timeoutMs: 0 }));
      await failure("TIMEOUT", () => producer.flush({ timeoutMs: 0 }));
    });

    test("loan and flush time out too, and a loan can be aborted", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      const before = fill(producer, new Uint8Array(8));
      const abort = new AbortController();
      const aborted = failure("ABORTED", () => producer.loan(1000, { signal: abort.signal }));
      await failure("TIMEOUT", () => producer.loan(1000, { timeoutMs: 5 }));
      await failure("TIMEOUT", () => producer.flush({ timeoutMs: 5 }));
      abort.abort();
      await aborted;
      expect(drain(consumer)).toBe(before);
      expect(fill(producer, new Uint8Array(8))).toBe(before); // no slot was lost
    });

    for (const size of [16, 100_000]) {
      test(`flush waits for the release of ${size} bytes, not for their receipt`, async () => {
        await using ends = await pair({ transport });
        const { producer, consumer } = ends;
        await producer.flush(); // nothing was sent
        await producer.send(new Uint8Array(size));
        await producer.send(new Uint8Array(size));
        const all = producer.flush();
        const first = await consumer.recv();
        const second = await consumer.recv();
        expect(await settled(all)).toBe(false);
        second.release();
        expect(await settled(all)).toBe(false);
        expect(producer.stats.queued).toBe(1);
        first.release();
        await all;
        expect(producer.stats.queued).toBe(0);
      });
    }

    test("a waiting flush does not delay later sends", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      await producer.send(Uint8Array.of(1));
      const all = producer.flush();
      expect(producer.trySend(Uint8Array.of(2))).toBe(true);
      await producer.send(Uint8Array.of(3), { timeoutMs: 1000 });
      producer.tryLoan(1)!.commit();
      expect(drain(consumer)).toBe(4);
      await all;
    });

    test("flush waits for earlier sends that still wait", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      const before = fill(producer, new Uint8Array(8));
      const send = producer.send(Uint8Array.of(1));
      const all = producer.flush();
      const held = [];
      for (let i = 0; i <= before; i++) held.push(await consumer.recv());
      await send;
      for (const frame of held.slice(1)) frame.release();
      expect(await settled(all)).toBe(false);
      held[0]!.release();
      await all;
    });

    test("flush succeeds while a send waits for a slot that only the sender can free", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      const loans = [];
      for (let loan = producer.tryLoan(8); loan; loan = producer.tryLoan(8)) loans.push(loan);
      const send = producer.send(Uint8Array.of(1));
      const all = producer.flush();
      expect(await settled(Promise.race([send, all]))).toBe(false);
      for (const loan of loans) loan.abort();
      await send;
      expect(await settled(all)).toBe(false);
      (await consumer.recv()).release();
      await all;
    });

    test("stats of both ends", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      const sent = { framesSent: 0, bytesSent: 0, full: 0, queued: 0, held: 0, importsCached: 0 };
      const received = { framesReceived: 0, bytesReceived: 0, queued: 0, held: 0, importsCached: 0 };
      expect(producer.stats).toEqual(sent);
      expect(consumer.stats).toEqual(received);
      for (const size of [0, 10, 1000]) await producer.send(new Uint8Array(size));
      const loan = await producer.loan(500);
      loan.commit(300);
      expect(producer.stats).toEqual({ ...sent, framesSent: 4, bytesSent: 1310, queued: 4 });
      expect(consumer.stats).toEqual({ ...received, queued: 4 });
      const frame = await consumer.recv();
      expect(consumer.stats).toEqual({ ...received, framesReceived: 1, queued: 3, held: 1 });
      expect(producer.stats).toMatchObject({ queued: 4, held: transport === "mpi" ? 0 : 1 });
      frame.release();
      expect(producer.stats.queued).toBe(3);
      drain(consumer);
      expect(consumer.stats).toEqual({ ...received, framesReceived: 4, bytesReceived: 1310 });
      expect(producer.stats).toEqual({ ...sent, framesSent: 4, bytesSent: 1310 });
    });
  });
}
