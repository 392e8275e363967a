/** What a consumer sees: frames in order, held for as long as it likes, and the end. */
import { describe, expect, test } from "bun:test";
import type { Frame } from "../../../src/index.ts";
import { openChannel } from "../../process/open.ts";
import type { Setting } from "../conformance.ts";
import { failure, PATIENT, pair, unique } from "../support.ts";
import { drain, fill, settled } from "./sending.ts";

export function receiving({ transport, start }: Setting): void {
  describe("receiving", () => {
    test("frames are numbered from 0, and tryRecv is null without one", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      expect(consumer.tryRecv()).toBeNull();
      for (let i = 0; i < 3000; i++) {
        await producer.send(new Uint8Array(i % 300));
        const frame = consumer.tryRecv()!;
        expect([frame.sequence, frame.sizeBytes]).toEqual([i, i % 300]);
        frame.release();
      }
      expect(consumer.tryRecv()).toBeNull();
    });

    for (const size of [8, 5000]) {
      test(`frames of ${size} bytes that are held do not stop others`, async () => {
        await using ends = await pair({ transport });
        const { producer, consumer } = ends;
        const held: Frame[] = [];
        for (let i = 0; i < 5000; i++) {
          await producer.send(new Uint8Array(size).fill(i % 251), { timeoutMs: 1000 });
          const frame = await consumer.recv();
          if (i % 50 === 0) held.push(frame);
          else frame.release();
        }
        for (const frame of held.reverse()) {
          expect(frame.bytes.every((byte) => byte === frame.sequence % 251)).toBe(true);
          frame.release();
        }
        expect(producer.stats.queued).toBe(0);
      });
    }

    test("held frames fill the queue, and the release of any one makes it accept the next", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      const payload = new Uint8Array(1 << 20);
      const held: Frame[] = [];
      while (producer.trySend(payload)) held.push(consumer.tryRecv()!);
      expect(held.length).toBeGreaterThan(8);
      expect(consumer.tryRecv()).toBeNull();
      held.splice(held.length >> 1, 1)[0]!.release();
      expect(producer.trySend(payload)).toBe(true);
      expect(producer.trySend(payload)).toBe(false);
      for (const frame of held) frame.release();
      expect(drain(consumer)).toBe(1);
    });

    for (const size of [0, 8, 5000]) {
      test(`a released frame of ${size} bytes throws CLOSED`, async () => {
        await using ends = await pair({ transport });
        await ends.producer.send(new Uint8Array(size));
        const frame = await ends.consumer.recv();
        frame.release();
        await failure("CLOSED", () => frame.release());
        await failure("CLOSED", () => frame.bytes);
        await failure("CLOSED", () => frame.buffer);
        frame[Symbol.dispose](); // nothing more to do
        expect(ends.producer.stats.queued).toBe(0);
      });
    }

    test("waiting receives get frames in order", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      const order: number[] = [];
      const waits = Array.from({ length: 20 }, async (_, i) => {
        const frame = await consumer.recv();
        order.push(i);
        expect(frame.sequence).toBe(i);
        frame.release();
      });
      for (let i = 0; i < 5; i++) await producer.send(Uint8Array.of(i));
      await Promise.all(waits.slice(0, 5));
      for (let i = 5; i < 20; i++) await producer.send(Uint8Array.of(i));
      await Promise.all(waits);
      expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
    });

    test("an aborted receive takes no frame", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      const abort = new AbortController();
      const first = consumer.recv();
      const timedOut = failure("TIMEOUT", () => consumer.recv({ timeoutMs: 5 }));
      const aborted = failure("ABORTED", () => consumer.recv({ signal: abort.signal }));
      const last = consumer.recv();
      await timedOut;
      abort.abort();
      await aborted;
      await producer.send(Uint8Array.of(1));
      await producer.send(Uint8Array.of(2));
      expect([(await first).sequence, (await last).sequence]).toEqual([0, 1]);
    });

    test("recvSync returns a waiting frame at once, and null after its timeout", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      expect(consumer.recvSync({ timeoutMs: 0 })).toBeNull();
      expect(consumer.recvSync({ timeoutMs: 3 })).toBeNull();
      expect(consumer.recvSync({ timeoutMs: 3, spinUs: 0 })).toBeNull();
      expect(consumer.recvSync({ timeoutMs: 3, spinUs: Number.POSITIVE_INFINITY })).toBeNull();
      await producer.send(Uint8Array.of(7));
      await producer.send(new Uint8Array(70_000).fill(8));
      const small = consumer.recvSync({ timeoutMs: 0 })!;
      const large = consumer.recvSync()!;
      expect([small.bytes[0], large.bytes[69_999]]).toEqual([7, 8]);
    });

    test("a recvSync without a frame leaves waiting promises to be woken", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      const waits = [consumer.recv(), consumer.recv()];
      expect(await settled(Promise.race(waits))).toBe(false);
      for (const wait of waits) {
        expect(consumer.recvSync({ timeoutMs: 3, spinUs: 0 })).toBeNull();
        expect(producer.trySend(new Uint8Array(5))).toBe(true);
        expect((await wait).sizeBytes).toBe(5);
      }
    });

    test(
      "a sleeping recvSync is woken by a frame of another process, and by its end",
      async () => {
        const name = unique();
        await using other = start("receiving/sendWhenTold", { name, transport });
        await using consumer = await openChannel(name, { role: "consumer", transport });
        for (let i = 0; i < 20; i++) {
          other.tell("send");
          using frame = consumer.recvSync({ spinUs: 0 });
          expect(frame!.bytes[0]).toBe(i);
        }
        other.signal("SIGKILL");
        await failure("PEER_DIED", () => consumer.recvSync({ spinUs: 0 }));
      },
      PATIENT,
    );

    test("for await ends when the producer closed, and forgotten frames are released", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      const count = 500;
      const sending = (async () => {
        for (let i = 0; i < count; i++) await producer.send(new Uint8Array(1 << 18).fill(i));
        await producer.flush();
        await producer.close();
      })();
      let got = 0;
      for await (const frame of consumer) {
        expect(frame.bytes[1000]).toBe(got % 256);
        got++;
      }
      await sending;
      expect(got).toBe(count);
    });

    test("the loop does not release a reused frame that its body released before", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      for (let i = 0; i < 300; i++) await producer.send(Uint8Array.of(i));
      const others: Frame[] = [];
      for await (const frame of consumer) {
        frame.release();
        // Taken within the body, so that the released object comes round again as one of these.
        for (let next = consumer.tryRecv(); next; next = consumer.tryRecv()) others.push(next);
        break;
      }
      for (const [i, frame] of others.entries()) expect([...frame.bytes]).toEqual([(i + 1) % 256]);
    });

    test("a forgotten frame whose bytes were transferred away is released like any other", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      const taken: Uint8Array[] = [];
      for (let i = 0; i < 200; i++) await producer.send(Uint8Array.of(i, i));
      for await (const frame of consumer) {
        taken.push(new Uint8Array(frame.bytes.buffer.transfer()));
        if (taken.length === 200) break;
      }
      expect(producer.stats.queued).toBe(0);
      expect(taken.map((bytes) => bytes[0])).toEqual(Array.from({ length: 200 }, (_, i) => i));
    });

    test("a frame as a typed array is its own bytes, whatever its size and whatever else is in use", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      const held: Frame[] = [];
      for (const length of [1, 15, 20, 100, 496, 1000, 20_000]) {
        for (let i = 0; i < 5; i++) {
          await producer.send(new Float64Array(length).fill(length + i));
          held.push(await consumer.recv());
        }
      }
      for (const frame of held) {
        const first = frame.view(Float64Array)[0];
        expect(frame.view(Float64Array).every((each) => each === first)).toBe(true);
        expect(frame.view(Float64Array)).toHaveLength(frame.sizeBytes / 8);
        expect(frame.view(DataView).getFloat64(frame.sizeBytes - 8, true)).toBe(first as number);
        expect(frame.view(DataView).byteLength).toBe(frame.sizeBytes);
        expect(frame.view(BigUint64Array).buffer).toBe(frame.bytes.buffer);
      }
      expect(held.map((frame) => frame.view(Float64Array)[0])).toEqual(
        [1, 15, 20, 100, 496, 1000, 20_000].flatMap((length) => [0, 1, 2, 3, 4].map((i) => length + i)),
      );
      for (const frame of held) {
        frame.release();
        await failure("CLOSED", () => frame.view(Float64Array));
      }
    });

    test("a view of elements that do not fit is refused", async () => {
      await using ends = await pair({ transport });
      for (const size of [0, 7, 125, 4001]) {
        await ends.producer.send(new Uint8Array(size));
        using frame = await ends.consumer.recv();
        if (size > 0) {
          const error = await failure("INVALID_ARGUMENT", () => frame.view(Float32Array));
          expect(error.message).toContain(`${size} bytes`);
        } else expect(frame.view(Float32Array)).toHaveLength(0);
        await failure("INVALID_ARGUMENT", () => frame.view("Float32Array" as never));
        expect(frame.view(DataView).byteLength).toBe(size);
      }
    });

    test("other interfaces accept the bytes of a frame", async () => {
      await using ends = await pair({ transport });
      for (const size of [100, 5000]) {
        const sent = new Uint8Array(size).fill(7);
        await ends.producer.send(sent);
        using frame = await ends.consumer.recv();
        const digest = async (data: Uint8Array<ArrayBuffer>) =>
          Buffer.from(await crypto.subtle.digest("SHA-256", data)).toString("hex");
        expect(await digest(frame.bytes)).toBe(await digest(sent));
        expect(await new Response(frame.bytes).bytes()).toEqual(sent);
        expect(await new Blob([frame.bytes]).bytes()).toEqual(sent);
      }
    });

    test("break leaves the channel usable and the frame released", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      for (let i = 0; i < 5; i++) await producer.send(Uint8Array.of(i));
      for await (const frame of consumer) if (frame.bytes[0] === 2) break;
      expect(producer.stats.queued).toBe(2);
      const rest: number[] = [];
      for await (const frame of consumer) {
        rest.push(frame.bytes[0]!);
        if (rest.length === 2) break;
      }
      expect(rest).toEqual([3, 4]);
    });

    test("an error in the loop's body comes out of it, and the frame is released", async () => {
      await using ends = await pair({ transport });
      await ends.producer.send(Uint8Array.of(1));
      const loop = async () => {
        for await (const _ of ends.consumer) throw new RangeError("mine");
      };
      await expect(loop()).rejects.toThrow(new RangeError("mine"));
      await ends.producer.flush();
    });

    test("a waiting for await ends when this side closes the channel", async () => {
      const ends = await pair({ transport });
      const loop = (async () => {
        for await (const _ of ends.consumer) throw new Error("no frame was sent");
      })();
      expect(await settled(loop)).toBe(false);
      await ends.consumer.close();
      await loop;
      await ends.producer.close();
    });

    test("many frames held at once, released in any order", async () => {
      await using ends = await pair({ transport });
      const { producer, consumer } = ends;
      const capacity = fill(producer, new Uint8Array(100));
      const held: Frame[] = [];
      for (let i = 0; i < capacity; i++) held.push(consumer.tryRecv()!);
      expect(fill(producer, new Uint8Array(100))).toBe(capacity); // small ones were copied out of the ring
      for (let i = 0; i < capacity; i++) held.push(consumer.tryRecv()!);
      expect(new Set(held).size).toBe(2 * capacity);
      held.sort((a, b) => (a.sequence % 7) - (b.sequence % 7));
      for (const frame of held) frame.release();
      expect(producer.stats.queued).toBe(0);
    });
  });
}
