/** Frames written in place: loans that are committed, shortened, aborted, forgotten. */
import { describe, expect, test } from "bun:test";
import type { Consumer, Loan } from "../../../src/index.ts";
import type { Setting } from "../conformance.ts";
import { failure, pair } from "../support.ts";
import { drain, fill, settled } from "./sending.ts";

/** One size that travels in the queue itself on some transports, one that never does. */
const SIZES = [100, 10_000];

async function received(consumer: Consumer): Promise<number[]> {
  using frame = await consumer.recv();
  return [frame.sizeBytes, frame.bytes[0] ?? -1, frame.bytes.at(-1) ?? -1];
}

export function loans({ transport }: Setting): void {
  describe("loans", () => {
    for (const size of SIZES) {
      test(`${size} bytes, whole and shorter`, async () => {
        await using ends = await pair({ transport });
        const { producer, consumer } = ends;
        for (const committed of [size, size - 1, 1, 0, undefined]) {
          const loan = producer.tryLoan(size)!;
          expect(loan.bytes.length).toBe(size);
          loan.bytes.fill(committed === undefined ? 200 : committed % 100);
          loan.commit(committed);
          const length = committed ?? size;
          const byte = length === 0 ? -1 : committed === undefined ? 200 : length % 100;
          expect(await received(consumer)).toEqual([length, byte, byte]);
        }
      });

      test(`${size} bytes, several at once: the commits decide the order`, async () => {
        await using ends = await pair({ transport });
        const { producer, consumer } = ends;
        const open: Loan[] = [];
        for (let i = 0; i < 40; i++) {
          const loan = producer.tryLoan(size)!;
          loan.bytes.fill(i);
          open.push(loan);
        }
        await producer.send(new Uint8Array(size).fill(99)); // not held up by them
        const order = open.map((_, i) => (i * 23) % 40);
        for (const i of order) open[i]!.commit();
        for (const i of [99, ...order]) expect(await received(consumer)).toEqual([size, i, i]);
      });

      test(`${size} bytes, aborted: nothing is sent, and the slot is free again`, async () => {
        await using ends = await pair({ transport });
        const { producer, consumer } = ends;
        const loan = producer.tryLoan(size)!;
        loan.bytes.fill(1);
        loan.abort();
        expect(producer.stats).toMatchObject({ framesSent: 0, bytesSent: 0, queued: 0 });
        expect(consumer.tryRecv()).toBeNull();
        const capacity = fill(producer, new Uint8Array(size));
        drain(consumer);
        for (let i = 0; i < capacity * 2; i++) producer.tryLoan(size)!.abort();
        expect(fill(producer, new Uint8Array(size))).toBe(capacity);
      });

      test(`${size} bytes: null when the queue is full, a loan counts, and its commit finds its slot`, async () => {
        await using ends = await pair({ transport });
        const { producer, consumer } = ends;
        const open: Loan[] = [];
        for (let loan = producer.tryLoan(size); loan; loan = producer.tryLoan(size)) open.push(loan);
        expect(open.length).toBeGreaterThan(1);
        expect(producer.trySend(new Uint8Array(size))).toBe(false);
        expect(producer.tryLoan(size)).toBeNull();
        open.pop()!.abort();
        expect(producer.trySend(new Uint8Array(size))).toBe(true);
        expect(producer.trySend(new Uint8Array(size))).toBe(false);
        for (const loan of open) loan.commit();
        expect(drain(consumer)).toBe(open.length + 1);
        expect(fill(producer, new Uint8Array(size))).toBe(open.length + 1);
      });

      test(`${size} bytes: loan waits while the queue is full`, async () => {
        await using ends = await pair({ transport });
        const { producer, consumer } = ends;
        const capacity = fill(producer, new Uint8Array(size));
        const waiting = producer.loan(size);
        expect(await settled(waiting)).toBe(false);
        consumer.tryRecv()!.release();
        (await waiting).commit();
        expect(drain(consumer)).toBe(capacity);
      });

      test(`${size} bytes: written as a typed array`, async () => {
        await using ends = await pair({ transport });
        for (let i = 0; i < 3; i++) {
          const loan = ends.producer.tryLoan(size - (size % 8))!;
          loan.view(Float64Array).fill(i + 0.5);
          await failure("INVALID_ARGUMENT", () => loan.view(undefined as never));
          loan.commit();
          await failure("CLOSED", () => loan.view(Float64Array));
        }
        for (let i = 0; i < 3; i++) {
          using frame = await ends.consumer.recv();
          expect(frame.view(Float64Array).every((each) => each === i + 0.5)).toBe(true);
        }
      });

      test(`${size} bytes: a committed or aborted loan is CLOSED`, async () => {
        await using ends = await pair({ transport });
        for (const use of ["commit", "abort"] as const) {
          const loan = ends.producer.tryLoan(size)!;
          loan[use]();
          await failure("CLOSED", () => loan.commit());
          await failure("CLOSED", () => loan.abort());
          await failure("CLOSED", () => loan.bytes);
        }
        expect(drain(ends.consumer)).toBe(1);
      });

      test(`${size} bytes: a commit of more than the loan, or of no size, is refused and changes nothing`, async () => {
        await using ends = await pair({ transport });
        const loan = ends.producer.tryLoan(size)!;
        loan.bytes.fill(5);
        for (const wrong of [
          size + 1,
          -1,
          0.5,
          Number.NaN,
          Number.POSITIVE_INFINITY,
          2 ** 40,
          "10",
          null,
        ] as number[]) {
          await failure("INVALID_ARGUMENT", () => loan.commit(wrong));
        }
        expect(ends.consumer.tryRecv()).toBeNull();
        loan.commit();
        expect(await received(ends.consumer)).toEqual([size, 5, 5]);
      });

      test(`${size} bytes: closing the channel detaches an open loan`, async () => {
        const ends = await pair({ transport });
        const loan = ends.producer.tryLoan(size)!;
        await ends.producer.close();
        await failure("CLOSED", () => loan.bytes);
        await failure("CLOSED", () => loan.commit());
        await failure("CLOSED", () => loan.abort());
        await failure("CHANNEL_CLOSED", () => ends.consumer.recv());
        await ends.consumer.close();
      });
    }

    test("of 0 bytes", async () => {
      await using ends = await pair({ transport });
      const loan = ends.producer.tryLoan(0)!;
      expect(loan.bytes.length).toBe(0);
      await failure("INVALID_ARGUMENT", () => loan.commit(1));
      loan.commit();
      (await ends.producer.loan(0)).commit(0);
      for (const _ of [1, 2]) expect(await received(ends.consumer)).toEqual([0, -1, -1]);
    });

    test("of invalid sizes are refused", async () => {
      await using ends = await pair({ transport });
      const wrongs = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32 + 1, 2 ** 53, "8", null, undefined, {}];
      for (const wrong of wrongs as number[]) {
        await failure("INVALID_ARGUMENT", () => ends.producer.tryLoan(wrong));
        await failure("INVALID_ARGUMENT", () => ends.producer.loan(wrong));
      }
      expect(ends.producer.stats).toMatchObject({ framesSent: 0, queued: 0 });
    });

    test("a view kept from a committed block no longer shows the next loan's sender anything", async () => {
      await using ends = await pair({ transport });
      const loan = ends.producer.tryLoan(5000)!;
      const kept = loan.bytes;
      loan.commit();
      await ends.producer.close();
      expect(kept.length).toBe(0); // detached with the channel, not left on memory that is gone
    });
  });
}
