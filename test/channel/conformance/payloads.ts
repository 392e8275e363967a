/** What can be sent: every size, every kind of view, more than two gigabytes. */
import { describe, expect, test } from "bun:test";
import { freemem } from "node:os";
import { MemoryAllocator, type Payload, type Producer } from "../../../src/index.ts";
import { gone, type ViewClass } from "../../gone.ts";
import { lying } from "../../lying.ts";
import { openChannel } from "../../process/open.ts";
import { checksum, content, expected, type Spec, specs } from "../../process/payload.ts";
import { requires } from "../../requires.ts";
import type { Setting } from "../conformance.ts";
import { here, type Start } from "../peers.ts";
import { failure, PATIENT, pair, random, seed, unique } from "../support.ts";
import { fill } from "./sending.ts";

const MIB = 1 << 20;
const GIB = 2 ** 30;

const SMALL = Array.from({ length: 131 }, (_, size) => size);
const POWERS = Array.from({ length: 15 }, (_, i) => 256 << i).flatMap((power) => [power - 1, power, power + 1]);

const WAYS = [
  { send: "send", receive: "iterate" },
  { send: "trySend", receive: "recv" },
  { send: "loan", receive: "recvSync" },
  { send: "loan", receive: "tryRecv" },
] as const;

/** Each as often as there are ways to tell where it began. */
const KINDS: (new (buffer: ArrayBuffer, byteOffset: number, length: number) => ArrayBufferView)[] = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Float16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
];

export function payloads({ transport, start, shares }: Setting): void {
  async function through(sides: { producer: Start; consumer: Start }, list: Spec[], kind: (typeof WAYS)[number]) {
    const name = unique();
    await using producer = sides.producer("exchange/produce", { name, transport, specs: list, how: kind.send });
    await using consumer = sides.consumer("exchange/consume", { name, transport, how: kind.receive });
    for (const side of [producer, consumer]) {
      await side.heard();
      await side.heard();
    }
    expect((await consumer.heard()).got).toEqual(expected(list));
    expect(await producer.heard()).toMatchObject({ sent: list.length });
  }

  describe("payloads", () => {
    for (const kind of WAYS) {
      test(
        `every size to 130, powers of two to 4 MiB and their neighbours: ${kind.send}, ${kind.receive}`,
        () => through({ producer: here, consumer: start }, specs([...SMALL, ...POWERS, ...SMALL]), kind),
        PATIENT,
      );
    }

    test(
      "100 sizes at random to 8 MiB, into this process",
      async () => {
        const next = random(seed("payloads"));
        const sizes = Array.from({ length: 100 }, () => Math.floor(next() * 8 * MIB));
        await through({ producer: start, consumer: here }, specs(sizes), WAYS[0]);
      },
      PATIENT,
    );

    test(
      "sizes that grow and shrink: regions of one size are freed for another",
      async () => {
        const sizes = [1, 8, 3, 5, 0.5, 8, 0.01, 7, 2, 6, 0.001, 4].flatMap((mib) => Array(12).fill(mib * MIB));
        await through({ producer: here, consumer: start }, specs(sizes.map(Math.floor)), WAYS[0]);
      },
      PATIENT,
    );

    test(
      "frames of tens of megabytes, each of another size",
      async () => {
        await using ends = await pair({ transport });
        for (const mib of [10, 30, 60, 45, 20, 64, 33, 1, 50]) {
          const bytes = new Uint8Array(mib * MIB + 1).fill(mib);
          bytes[0] = bytes[bytes.length - 1] = 255 - mib;
          const sum = checksum(bytes);
          await ends.producer.send(bytes);
          using frame = await ends.consumer.recv();
          expect({ size: frame.sizeBytes, sum: checksum(frame.bytes) }).toEqual({ size: bytes.length, sum });
        }
      },
      PATIENT,
    );

    test(
      "views kept from released frames and committed loans lose their memory, and nothing crashes",
      async () => {
        await using ends = await pair({ transport });
        const { producer, consumer } = ends;
        const kept: Uint8Array[] = [];
        // Together more than any transport keeps.
        for (const mib of [1, 2, 60, 1, 45, 3, 54, 38, 30, 26, 3]) {
          for (let i = 0; i < 3; i++) {
            const loan = await producer.loan(mib * MIB);
            loan.bytes[0] = mib;
            kept.push(loan.bytes);
            loan.commit();
            const frame = await consumer.recv();
            expect(frame.bytes[0]).toBe(mib);
            kept.push(frame.bytes);
            frame.release();
          }
        }
        expect(kept.filter((view) => view.length === 0).length).toBeGreaterThan(0);
        // A view that is still attached shows a message that was sent, or over MPI zeros where its pages went back.
        const sent = [1, 2, 60, 45, 3, 54, 38, 30, 26, ...(transport === "mpi" ? [0] : [])];
        for (const view of kept) if (view.length > 0) expect(sent).toContain(view[0] as number);
      },
      PATIENT,
    );

    for (const kind of KINDS) {
      test(`${kind.name}, from the middle of its buffer`, async () => {
        await using ends = await pair({ transport });
        const element = (kind as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1;
        const source = content({ size: 4096, seed: 3 }).slice();
        const { buffer } = source;
        for (const [offset, length] of [[0, 0] as const, [8, 0], [8, 1], [16, 8], [8, 100], [64, 400]]) {
          await ends.producer.send(new kind(buffer, offset, length));
          using frame = await ends.consumer.recv();
          expect(frame.sizeBytes).toBe(length * element);
          expect(Buffer.compare(frame.bytes, source.subarray(offset, offset + length * element))).toBe(0);
        }
      });
    }

    test("a Buffer, a view of a SharedArrayBuffer and of resizable memory", async () => {
      await using ends = await pair({ transport });
      const shared = new Uint8Array(new SharedArrayBuffer(300), 100, 150).fill(7);
      const resizable = new Uint8Array(new ArrayBuffer(300, { maxByteLength: 600 })).fill(9);
      for (const bytes of [Buffer.from("lava-flow ".repeat(30)), shared, resizable]) {
        await ends.producer.send(bytes);
        using frame = await ends.consumer.recv();
        expect(Buffer.compare(frame.bytes, Buffer.from(bytes))).toBe(0);
      }
    });

    test("a sent view was copied: the sender may change it", async () => {
      await using ends = await pair({ transport });
      for (const size of [8, 120, 121, 100_000]) {
        const bytes = new Uint8Array(size).fill(1);
        await ends.producer.send(bytes);
        bytes.fill(2);
        using frame = await ends.consumer.recv();
        expect([frame.bytes[0], frame.bytes[size - 1]]).toEqual([1, 1]);
      }
    });

    for (const type of [Uint8Array, Uint16Array, Float64Array, DataView] as ViewClass<ArrayBufferView>[]) {
      for (const [what, view] of gone(type)) {
        test(`a ${type.name} whose ArrayBuffer was ${what} is refused`, async () => {
          await using ends = await pair({ transport });
          const { producer, consumer } = ends;
          await failure("INVALID_ARGUMENT", () => producer.trySend(view));
          await failure("INVALID_ARGUMENT", () => producer.send(view));
          expect(producer.stats).toMatchObject({ framesSent: 0, queued: 0 });
          await producer.send(Uint8Array.of(7));
          expect((await consumer.recv()).bytes[0]).toBe(7);
        });
      }
    }

    for (const size of [8, 120, 4096, 100_000]) {
      for (const [what, view] of lying(size)) {
        test(`${what} of ${size} bytes with a false length is sent with its real length`, async () => {
          await using ends = await pair({ transport });
          const { producer, consumer } = ends;
          const expected = Uint8Array.from({ length: size }, (_, i) => i + 1);
          await producer.send(view);
          using sent = await consumer.recv();
          expect(Buffer.compare(sent.bytes, expected)).toBe(0);
          expect(producer.trySend(view)).toBe(true);
          using tried = await consumer.recv();
          expect(Buffer.compare(tried.bytes, expected)).toBe(0);
        });
      }
    }

    test("an ArrayBuffer that was detached is refused", async () => {
      await using ends = await pair({ transport });
      const buffer = new ArrayBuffer(500);
      buffer.transfer();
      await failure("INVALID_ARGUMENT", () => ends.producer.trySend(buffer));
      await failure("INVALID_ARGUMENT", () => ends.producer.send(buffer));
      expect(ends.producer.stats.queued).toBe(0);
    });

    test("a view of memory that was closed is refused as such", async () => {
      await using ends = await pair({ transport });
      using allocator = new MemoryAllocator();
      for (const type of [Uint8Array, DataView] as ViewClass<ArrayBufferView>[]) {
        const buffer = allocator.allocate(4096, { kind: "host", shared: true });
        const view = buffer.view(type);
        buffer.close();
        await failure("CLOSED", () => ends.producer.trySend(view));
        await failure("CLOSED", () => ends.producer.send(view));
      }
      expect(ends.producer.stats.queued).toBe(0);
    });

    test("an empty view is sent", async () => {
      await using ends = await pair({ transport });
      const empty = [new Uint8Array(), new DataView(new ArrayBuffer(8), 8, 0), new Float64Array(0), new ArrayBuffer(0)];
      for (const payload of empty) {
        await ends.producer.send(payload);
        expect((await ends.consumer.recv()).sizeBytes).toBe(0);
      }
    });

    test("an ArrayBuffer, shared or resizable too, is sent like a view of it", async () => {
      await using ends = await pair({ transport });
      for (const size of [5, 1000, 100_000]) {
        const bytes = content({ size, seed: 3 });
        const resizable = new ArrayBuffer(size, { maxByteLength: 2 * size });
        const shared = new SharedArrayBuffer(size);
        for (const buffer of [resizable, shared]) new Uint8Array(buffer).set(bytes);
        for (const buffer of [bytes.slice().buffer, resizable, shared]) {
          await ends.producer.send(buffer);
          using sent = await ends.consumer.recv();
          expect(checksum(sent.bytes)).toBe(checksum(bytes));
          expect(ends.producer.trySend(buffer)).toBe(true);
          using tried = await ends.consumer.recv();
          expect(checksum(tried.bytes)).toBe(checksum(bytes));
        }
      }
    });

    for (const size of [80, 4000, 100_000]) {
      test(`of ${size} bytes that shrink while they wait are refused, and the sends behind them succeed`, async () => {
        await using ends = await pair({ transport });
        const { producer, consumer } = ends;
        const before = fill(producer, new Uint8Array(size));
        const shrinking = (view: (buffer: ArrayBuffer) => Payload) => {
          const buffer = new ArrayBuffer(size, { maxByteLength: size });
          const refused = failure("INVALID_ARGUMENT", () => producer.send(view(buffer)));
          return { buffer, refused };
        };
        const waiting = [
          shrinking((buffer) => new Uint8Array(buffer, 0, size)),
          shrinking((buffer) => new Uint8Array(buffer)),
          shrinking((buffer) => new DataView(buffer)),
          shrinking((buffer) => buffer),
        ];
        const behind = producer.send(Uint8Array.of(9));
        for (const { buffer } of waiting) buffer.resize(8);
        for (let i = 0; i < before; i++) (await consumer.recv()).release();
        await Promise.all(waiting.map(({ refused }) => refused));
        await behind;
        using last = await consumer.recv();
        expect([...last.bytes]).toEqual([9]);
      });
    }

    const need = shares ? 4 : 7;
    const large = requires("memory", freemem() > need * GIB, `frames of over 2 GiB need ${need} GiB of free memory`);

    test.skipIf(!large)(
      shares
        ? "2.5 GiB as a MemoryBuffer, without a copy: what the receiver writes is seen by the sender"
        : "2.5 GiB as a MemoryBuffer: what the receiver writes is not seen by the sender",
      async () => {
        using allocator = new MemoryAllocator();
        const buffer = allocator.allocate(2.5 * GIB, { kind: "host", shared: true });
        await largeFrame(buffer.bytes, (producer) => producer.send(buffer));
        expect([buffer.bytes[1], buffer.bytes[buffer.sizeBytes - 2]]).toEqual(shares ? [77, 78] : [0, 0]);
      },
      PATIENT,
    );

    test.skipIf(!large)(
      "over 2 GiB in a loan",
      async () => {
        await largeFrame(null, async (producer, writeMarkers) => {
          const loan = await producer.loan(2 * GIB + 4099);
          writeMarkers(loan.bytes);
          loan.commit();
        });
      },
      PATIENT,
    );

    /** Sends one frame to another process, which finds the markers in it, and writes its own. */
    async function largeFrame(
      bytes: Uint8Array | null,
      send: (producer: Producer, writeMarkers: (bytes: Uint8Array) => void) => Promise<void>,
    ) {
      const { writeMarkers } = await import("../../process/large.ts");
      const name = unique();
      await using other = start("large/consume", { name, transport });
      await using producer = await openChannel(name, { role: "producer", transport });
      if (bytes) writeMarkers(bytes);
      await send(producer, writeMarkers);
      const { size, wrong, buffer } = await other.heard();
      expect({ wrong, buffer }).toEqual({ wrong: [], buffer: shares && bytes !== null });
      expect(size).toBe(bytes ? bytes.length : 2 * GIB + 4099);
      await producer.flush();
    }
  });
}
