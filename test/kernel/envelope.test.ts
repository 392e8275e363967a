/** The bytes of a message, and the errors for invalid bytes. */
import { describe, expect, test } from "bun:test";
import { checkHeader, pack, unpack } from "../../src/kernel/base/envelope.ts";
import { writeHeader } from "../../src/kernel/base/header.ts";
import type { Message } from "../../src/kernel/base/message.ts";
import { failure, random } from "../channel/support.ts";

const message: Message = {
  id: 0x1_2345_6789,
  correlationId: 2 ** 53 - 1,
  source: 7,
  destination: 9,
  type: 2 ** 32 - 1,
  priority: 3,
  payload: new TextEncoder().encode("123456789"),
  timestamp: { physicalMicros: 1_700_000_000_123_456, logical: 4095, nodeId: 2 ** 40 + 5 },
  deadlineMicros: 1_700_000_000_999_999,
};

test("each field has the offset of the layout", () => {
  const view = new DataView(pack(message).buffer);
  expect(view.byteLength).toBe(256 + 9);
  const u64 = (at: number) => view.getBigUint64(at, true);
  expect(u64(0)).toBe(0x52494e474b45524en);
  expect([view.getUint32(8, true), view.getUint32(12, true)]).toEqual([1, 0]);
  expect([16, 24, 32, 40, 48].map(u64)).toEqual([0x123456789n, 2n ** 53n - 1n, 7n, 9n, 2n ** 32n - 1n]);
  expect(view.getUint8(56)).toBe(3);
  expect(u64(64)).toBe(9n);
  // The check value of CRC-32/ISO-HDLC for these nine digits, as the catalogues of checksums list it.
  expect(view.getUint32(72, true)).toBe(0xcbf43926);
  expect([80, 88, 96].map(u64)).toEqual([1_700_000_000_123_456n, 4095n, 2n ** 40n + 5n]);
  expect([104, 112, 120].map(u64)).toEqual([1_700_000_000_999_999n, 0n, 2n ** 40n + 5n]);
  for (let at = 128; at < 256; at += 8) expect(u64(at)).toBe(0n);
});

test("a message is unpacked from bytes at any address", () => {
  const bytes = new Uint8Array(1000);
  for (const at of [1, 2, 3]) {
    bytes.set(pack(message), at);
    expect(unpack(bytes.subarray(at, at + 256 + 9))).toEqual(message);
  }
});

test("messages of all sizes are unpacked as they were packed", () => {
  expect(unpack(pack(message))).toEqual(message);
  for (const size of [0, 1, 255, 256, 70_000]) {
    const other: Message = { ...message, payload: new Uint8Array(size).fill(size), priority: 0, deadlineMicros: 0 };
    expect(unpack(pack(other))).toEqual(other);
  }
});

test("writeHeader changes no word around the header", () => {
  const bytes = new Uint8Array(1024).fill(0xaa);
  writeHeader(new Uint32Array(bytes.buffer), 384 / 4, message);
  const { payload, ...rest } = message;
  expect(checkHeader(bytes.subarray(384))).toEqual({ ...rest, payloadBytes: payload.length, crc32: 0xcbf43926 });
  expect(bytes.subarray(0, 384).every((byte) => byte === 0xaa)).toBe(true);
  expect(bytes.subarray(384 + 128).every((byte) => byte === 0xaa)).toBe(true);
});

describe("hostile bytes", () => {
  const wrong: [string, (view: DataView) => void, RegExp][] = [
    ["magic", (view) => view.setUint8(0, 0), /RINGKERN/],
    ["version", (view) => view.setUint32(8, 2, true), /version 2, not 1/],
    ["id", (view) => view.setBigUint64(16, 2n ** 53n, true), /id is 9007199254740992/],
    ["correlation", (view) => view.setBigUint64(24, 2n ** 64n - 1n, true), /correlation id is 18446744073709551615/],
    ["source", (view) => view.setBigUint64(32, 2n ** 60n, true), /source/],
    ["destination", (view) => view.setBigUint64(40, 2n ** 60n, true), /destination/],
    ["type", (view) => view.setBigUint64(48, 2n ** 32n, true), /type is 4294967296/],
    ["priority", (view) => view.setUint8(56, 4), /priority is 4/],
    ["size above what is there", (view) => view.setBigUint64(64, 10n, true), /9 bytes of payload, and says 10/],
    ["size below what is there", (view) => view.setBigUint64(64, 8n, true), /9 bytes of payload, and says 8/],
    ["absurd size", (view) => view.setBigUint64(64, 2n ** 63n, true), /payload size/],
    ["checksum", (view) => view.setUint32(72, 5, true), /and says 5/],
    ["payload", (view) => view.setUint8(256, 0), /checksum/],
    ["timestamp", (view) => view.setBigUint64(80, 2n ** 63n, true), /timestamp/],
    ["logical time", (view) => view.setBigUint64(88, 4096n, true), /logical time is 4096/],
    ["node", (view) => view.setBigUint64(96, 2n ** 63n, true), /node id/],
    ["deadline", (view) => view.setBigUint64(104, 2n ** 63n, true), /deadline/],
  ];
  for (const [name, spoil, words] of wrong) {
    test(`with a wrong ${name} are CORRUPT_SEGMENT`, async () => {
      const bytes = pack(message);
      spoil(new DataView(bytes.buffer));
      const error = await failure("CORRUPT_SEGMENT", () => unpack(bytes));
      expect(error.message).toMatch(words);
    });
  }

  test("that are too few are CORRUPT_SEGMENT", async () => {
    const bytes = pack(message);
    for (const size of [0, 8, 255]) await failure("CORRUPT_SEGMENT", () => unpack(bytes.subarray(0, size)));
  });

  test("that are random are a message or CORRUPT_SEGMENT", async () => {
    const next = random(7);
    let refused = 0;
    for (let i = 0; i < 5000; i++) {
      const bytes = pack(message);
      for (let flips = Math.floor(next() * 4); flips >= 0; flips--) {
        bytes[Math.floor(next() * bytes.length)]! ^= 1 << Math.floor(next() * 8);
      }
      try {
        expect(Object.values(unpack(bytes)).every((value) => typeof value === "object" || value >= 0)).toBe(true);
      } catch (error) {
        expect((error as { code?: string }).code).toBe("CORRUPT_SEGMENT");
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(100);
  });
});
