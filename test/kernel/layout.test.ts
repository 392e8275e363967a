/** The bytes that host and shaders share: compared with RingKernel's offsets, and with the bytes that both write. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { GpuDevice } from "../../src/gpu/device.ts";
import { openRings } from "../../src/kernel/backend/gpu.ts";
import { readSlot, writeSlot } from "../../src/kernel/backend/slots.ts";
import { VulkanCompute } from "../../src/kernel/backend/vulkan.ts";
import { HybridLogicalClock } from "../../src/kernel/base/clock.ts";
import { checksum, HEADER } from "../../src/kernel/base/header.ts";
import {
  CONTROL,
  checksumsOfBits,
  FRONT,
  INBOX,
  REPORT,
  ROUTE,
  roundsFor,
  shaderConstants,
} from "../../src/kernel/shader/layout.ts";
import { device, randomBytes, vulkan } from "../gpu/support.ts";
import { Port } from "./port.ts";
import { Watched } from "./watched.ts";

setDefaultTimeout(60_000);

const bytes = (fields: Record<string, number>) =>
  Object.fromEntries(Object.entries(fields).map(([name, word]) => [name, word * 4]));

/** The offsets of RingKernel's sources, in bytes. */
const RINGKERNEL_HEADER = {
  ...{ MAGIC: 0, VERSION: 8, FLAGS: 12, ID: 16, CORRELATION: 24, SOURCE: 32, DESTINATION: 40, TYPE: 48, PRIORITY: 56 },
  ...{ SIZE: 64, CRC: 72, STAMP: 80, DEADLINE: 104, WORDS: 256 },
};
const RINGKERNEL_CONTROL = {
  ...{ ACTIVE: 0, TERMINATE: 4, TERMINATED: 8, PROCESSED: 16, IN_FLIGHT: 24, IN_HEAD: 32, IN_TAIL: 40, OUT_HEAD: 48 },
  ...{ OUT_TAIL: 56, IN_CAPACITY: 64, OUT_CAPACITY: 68, IN_MASK: 72, OUT_MASK: 76, CLOCK: 80, LAST_ERROR: 96 },
  ...{ ERROR_COUNT: 100 },
};

describe("offsets in bytes", () => {
  test("a message's header is RingKernel's", () => {
    expect(bytes(HEADER)).toEqual(RINGKERNEL_HEADER);
  });

  test("a control block's first 128 bytes are RingKernel's", () => {
    expect(bytes(CONTROL)).toMatchObject({ ...RINGKERNEL_CONTROL, MADE: 104, NUMBER: 128, WORDS: 256 });
  });

  test("an inbox's header has 64 bytes, a route 32, a report 32", () => {
    expect([INBOX, ROUTE, REPORT].map(({ WORDS }) => WORDS * 4)).toEqual([64, 32, 32]);
  });

  test("no two fields have the same offset", () => {
    for (const { WORDS, ...fields } of [HEADER, CONTROL, INBOX, ROUTE, REPORT, FRONT]) {
      const offsets = Object.values(fields);
      expect(new Set(offsets).size).toBe(offsets.length);
      expect(Math.max(...offsets)).toBeLessThan(WORDS);
    }
  });

  test("a shader's constants have these numbers, each once", () => {
    const text = shaderConstants(roundsFor(1000));
    const pairs = [...text.matchAll(/const (\w+) = (\w+?)u;/g)].map(
      ([, name, value]) => [name!, Number(value)] as const,
    );
    const constants = Object.fromEntries(pairs);
    expect(Object.keys(constants)).toHaveLength(pairs.length);
    const named = (group: string, offsets: Record<string, number>) =>
      Object.fromEntries(Object.entries(offsets).map(([name, offset]) => [`LF_${group}_${name}`, offset / 4]));
    expect(constants).toMatchObject({
      ...named("HEADER", RINGKERNEL_HEADER),
      ...named("CONTROL", RINGKERNEL_CONTROL),
      ...{ LF_INBOX_WORDS: 64 / 4, LF_ROUTE_WORDS: 32 / 4, LF_REPORT_WORDS: 32 / 4 },
      ...{ LF_MAGIC_LOW: 0x4b45524e, LF_MAGIC_HIGH: 0x52494e47, LF_VERSION: 1 },
    });
  });
});

test("the checksums of bits give CRC-32", () => {
  const bits = checksumsOfBits();
  const data = randomBytes(64);
  const words = new Uint32Array(data.buffer);
  let crc = 0xffffffff;
  for (const word of words) {
    const x = crc ^ word;
    crc = 0;
    for (let bit = 0; bit < 32; bit++) if ((x >>> bit) & 1) crc ^= bits[bit]!;
  }
  expect(~crc >>> 0).toBe(checksum(data));
  expect(checksum(new TextEncoder().encode("123456789"))).toBe(0xcbf43926); // the check value of CRC-32/ISO-HDLC
});

const MESSAGE = {
  ...{
    id: 2 ** 33 + 5,
    type: 2 ** 34 + 6,
    priority: 3 as const,
    correlationId: 2 ** 35 + 7,
    deadlineMicros: 2 ** 50 + 8,
  },
  ...{ source: 9, destination: 0, timestamp: { physicalMicros: 2 ** 51 + 1, logical: 4095, nodeId: 2 ** 36 + 2 } },
};

test("a message that was written to a slot is read unchanged", () => {
  const words = new Uint32Array(1024);
  const all = new Uint8Array(words.buffer);
  for (const size of [0, 1, 4, 63, 300]) {
    all.fill(0);
    words[512 + HEADER.WORDS + ((Math.max(size, 1) - 1) >> 2)] = 0xffffffff; // of a message before
    const message = { ...MESSAGE, payload: randomBytes(size) };
    writeSlot(words, all, 512, message);
    expect(readSlot(words, all, 512, 9, 300)).toEqual({ message, dropped: null, silent: -1 });
    const view = new DataView(words.buffer, 2048);
    expect(view.getBigUint64(0, true)).toBe(0x52494e474b45524en);
    expect(view.getUint32(8, true)).toBe(1);
    expect(view.getBigUint64(80, true)).toBe(2n ** 51n + 1n);
    if (size > 0) {
      const at = 2048 + 256 + size - 1;
      all[at] = (all[at] as number) ^ 1;
      expect(readSlot(words, all, 512, 9, 300)).toMatchObject({ dropped: "checksum", silent: -1 });
    }
  }
});

test("an output that the kernel can't have written is refused", () => {
  const words = new Uint32Array(256);
  const all = new Uint8Array(words.buffer);
  const wrong: [number, number, RegExp][] = [
    [HEADER.MAGIC, 1, /begin/],
    [HEADER.MAGIC + 1, 1, /begin/],
    [HEADER.VERSION, 2, /version 2/],
    [HEADER.SIZE, 17, /17 bytes.*16/],
    [HEADER.SIZE + 1, 1, /4294967300 bytes/],
    [HEADER.PRIORITY, 4, /priority 4/],
    [HEADER.SOURCE, 8, /kernel 8 from kernel 9/],
  ];
  for (const [field, value, text] of wrong) {
    all.fill(0);
    writeSlot(words, all, 0, { ...MESSAGE, payload: new Uint8Array(4) });
    words[field] = value;
    expect(readSlot(words, all, 0, 9, 16)).toMatch(text);
  }
});

test.skipIf(!vulkan)("a GPU writes a control block and an output at these offsets", async () => {
  const gpu = GpuDevice.open(device);
  const watched = new Watched(new VulkanCompute(gpu.retain()));
  const clock = new HybridLogicalClock({ nodeId: 7 });
  const backend = await openRings(watched, clock);
  const port = new Port();
  const body = { wgsl: "fn on_message(message: Message) { set_reply(0u, 0x01020304u); reply(3u); }" };
  const capacities = { inputCapacity: 8, outputCapacity: 4, payloadBytes: 16, stateBytes: 4 };
  const kernel = await backend.launch(
    { id: "a", number: 77, body, ...capacities, workgroupSize: 1, routeCount: 0 },
    port,
  );
  kernel.activate();
  const payload = Uint8Array.of(1, 2, 3);
  const timestamp = clock.tick();
  kernel.trySend({ ...MESSAGE, payload, timestamp, deadlineMicros: 0, destination: 77 });
  const reply = await port.receive();

  const output = new DataView(watched.words("readback").slice().buffer);
  const at = (new Uint32Array(output.buffer).indexOf(0x4b45524e) * 4) as number;
  expect(output.getBigUint64(at, true)).toBe(0x52494e474b45524en);
  expect(output.getUint32(at + 8, true)).toBe(1);
  expect(output.getBigUint64(at + 16, true)).toBe((77n << 32n) + 1n);
  expect(output.getBigUint64(at + 24, true)).toBe(2n ** 35n + 7n);
  expect(output.getBigUint64(at + 32, true)).toBe(77n);
  expect(output.getBigUint64(at + 40, true)).toBe(0n);
  expect(output.getBigUint64(at + 48, true)).toBe(6n); // types are 32 bits in a shader
  expect(output.getUint8(at + 56)).toBe(3);
  expect(output.getBigUint64(at + 64, true)).toBe(3n);
  expect(output.getUint32(at + 72, true)).toBe(checksum(Uint8Array.of(4, 3, 2)));
  expect(Number(output.getBigUint64(at + 80, true))).toBe(reply.timestamp.physicalMicros);
  expect(Number(output.getBigUint64(at + 88, true))).toBe(reply.timestamp.logical);
  expect(output.getBigUint64(at + 96, true)).toBe((77n << 32n) + 7n);
  expect([...new Uint8Array(output.buffer, at + 256, 4)]).toEqual([4, 3, 2, 0]);

  const upload = watched.words("upload").slice();
  const number = upload.indexOf(77, FRONT.WORDS);
  const control = new DataView(upload.buffer, (number - CONTROL.NUMBER) * 4);
  expect(control.getUint32(0, true)).toBe(1);
  expect(control.getBigUint64(16, true)).toBe(1n); // processed
  expect(control.getBigUint64(32, true)).toBe(1n); // input, head and tail
  expect(control.getBigUint64(40, true)).toBe(1n);
  expect(control.getBigUint64(48, true)).toBe(1n); // output, head
  expect([64, 68, 72, 76].map((field) => control.getUint32(field, true))).toEqual([8, 4, 7, 3]);
  expect(Number(control.getBigUint64(80, true))).toBe(reply.timestamp.physicalMicros);
  expect(Number(control.getBigUint64(88, true))).toBe(reply.timestamp.logical);

  await backend.close();
  gpu.release();
});
