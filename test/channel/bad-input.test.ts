/** What a program gets that asks for what can't be: a LavaFlowError that says so, and nothing changed. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { Channel, type ChannelOptions } from "../../src/index.ts";
import { failure, pair, privateDirectory, unique } from "./support.ts";

const directory = privateDirectory();
const producer = { role: "producer", timeoutMs: 1000 } as const;

describe("names", () => {
  const wrong: [string, unknown][] = [
    ["empty", ""],
    ["with a slash", "a/b"],
    ["that leads out of the directory", "../a"],
    ["with a backslash", "a\\b"],
    ["with a NUL", "a\0b"],
    ["of 65 bytes", "x".repeat(65)],
    ["of 33 characters in 66 bytes", "é".repeat(33)],
    ["of half a character", "a\ud800"],
    ["that is a number", 7],
    ["that is null", null],
    ["left out", undefined],
    ["that is an object", {}],
    ["of a megabyte", "x".repeat(1 << 20)],
  ];
  for (const [what, name] of wrong) {
    test(`${what}`, async () => {
      const error = await failure("INVALID_ARGUMENT", () => Channel.open(name as string, producer));
      expect(error.remedy).toContain("1 to 64 bytes");
      expect(error.message.length).toBeLessThan(300);
      expect(readdirSync(directory.path).filter((file) => file !== ".lock")).toEqual([]);
    });
  }

  for (const name of [".", "..", ".lock", "a b", "-rf", "%s%n", "x".repeat(64), "é".repeat(32), "🌋", "new\nline"]) {
    test(`${JSON.stringify(name)} is a valid name`, async () => {
      await using ends = await pair({ name });
      await ends.producer.send(Uint8Array.of(1));
      (await ends.consumer.recv()).release();
    });
  }
});

describe("options of open", () => {
  const wrong: [string, unknown][] = [
    ["left out", undefined],
    ["null", null],
    ["a word", "producer"],
    ["no role", {}],
    ["an unknown role", { role: "both" }],
    ["an unknown profile", { ...producer, profile: "fast" }],
    ["an unknown transport", { ...producer, transport: "tcp" }],
    ["an allocator that is none", { ...producer, allocator: {} }],
    ["a signal that is no AbortSignal is refused", { ...producer, signal: {} }],
    ["a signal that is null", { ...producer, signal: null }],
    ["a negative time", { role: "producer", timeoutMs: -1 }],
    ["a time that is not a number", { role: "producer", timeoutMs: Number.NaN }],
    ["a time in words", { role: "producer", timeoutMs: "5" }],
    ["a time that is null", { role: "producer", timeoutMs: null }],
    ["a location that is a number", { ...producer, location: 5 }],
    ["a location that is null", { ...producer, location: null }],
    ["a location without a hostname", { ...producer, location: {} }],
    ["a location with a wrong pid", { ...producer, location: { hostname: "a", pid: -1 } }],
    ["a peer that is a number", { ...producer, peer: 5 }],
    ["a peer that is null", { ...producer, peer: null }],
    ["a peer with a pid in words", { ...producer, peer: { pid: "1" } }],
    ["a peer with a field that no location has", { ...producer, peer: { hostName: "a" } }],
  ];
  for (const [what, options] of wrong) {
    test(what, async () => {
      const name = unique();
      const error = await failure("INVALID_ARGUMENT", () => Channel.open(name, options as ChannelOptions));
      expect(error.remedy).toMatch(/^Give \S/);
      // Its role was not taken, or was given back.
      await using ends = await pair({ name });
      expect(ends.producer.name).toBe(name);
    });
  }
});

describe("payloads", () => {
  const wrong: unknown[] = ["text", 5, null, undefined, {}, [1, 2], () => {}, Symbol.iterator, 1n];
  for (const payload of wrong) {
    test(`${typeof payload} ${String(payload)}`, async () => {
      await using ends = await pair();
      const error = await failure("INVALID_ARGUMENT", () => ends.producer.trySend(payload as Uint8Array));
      expect(error.remedy).toContain("typed array");
      await failure("INVALID_ARGUMENT", () => ends.producer.send(payload as Uint8Array));
      expect(ends.producer.stats).toMatchObject({ framesSent: 0, bytesSent: 0, queued: 0 });
      await ends.producer.send(Uint8Array.of(1));
      (await ends.consumer.recv()).release();
    });
  }

  const read = (target: object, key: PropertyKey) => {
    const value = Reflect.get(target, key);
    return typeof value === "function" ? value.bind(target) : value;
  };
  const posing: [string, () => unknown][] = [
    ["a Proxy", () => new Proxy(new Uint8Array(8), {})],
    ["a Proxy that reads for its target", () => new Proxy(new Uint8Array(8), { get: read })],
    ["a Proxy of a DataView", () => new Proxy(new DataView(new ArrayBuffer(8)), { get: read })],
    ["a Proxy of an ArrayBuffer", () => new Proxy(new ArrayBuffer(8), { get: read })],
    ["an object that only inherits from a typed array", () => Object.create(Uint8Array.prototype)],
  ];
  for (const [what, make] of posing) {
    test(what, async () => {
      await using ends = await pair();
      await failure("INVALID_ARGUMENT", () => ends.producer.trySend(make() as Uint8Array));
      await failure("INVALID_ARGUMENT", () => ends.producer.send(make() as Uint8Array));
      expect(ends.producer.stats.queued).toBe(0);
    });
  }
});

describe("limits of one call", () => {
  const times: unknown[] = [-1, Number.NaN, Number.NEGATIVE_INFINITY, "5", null, {}];
  for (const timeoutMs of times as number[]) {
    test(`${timeoutMs} milliseconds`, async () => {
      await using ends = await pair();
      const { producer, consumer } = ends;
      const limits = { timeoutMs };
      await failure("INVALID_ARGUMENT", () => producer.send(Uint8Array.of(1), limits));
      await failure("INVALID_ARGUMENT", () => producer.loan(1, limits));
      await failure("INVALID_ARGUMENT", () => producer.flush(limits));
      await failure("INVALID_ARGUMENT", () => consumer.recv(limits));
      await failure("INVALID_ARGUMENT", () => consumer.recvSync(limits));
      expect(producer.stats.queued).toBe(0);
    });
  }

  for (const spinUs of [-1, Number.NaN, "5", null] as number[]) {
    test(`${spinUs} microseconds of spinning`, async () => {
      await using ends = await pair();
      await failure("INVALID_ARGUMENT", () => ends.consumer.recvSync({ spinUs }));
    });
  }

  test("a signal that is no AbortSignal is refused", async () => {
    await using ends = await pair();
    const signal = {} as AbortSignal;
    await failure("INVALID_ARGUMENT", () => ends.producer.send(Uint8Array.of(1), { signal }));
    await failure("INVALID_ARGUMENT", () => ends.producer.loan(1, { signal }));
    await failure("INVALID_ARGUMENT", () => ends.consumer.recv({ signal }));
    expect(ends.producer.stats.queued).toBe(0);
  });

  test("an infinite timeout is accepted", async () => {
    await using ends = await pair();
    const waiting = ends.consumer.recv({ timeoutMs: Number.POSITIVE_INFINITY });
    await ends.producer.send(Uint8Array.of(1), { timeoutMs: 1e300 });
    (await waiting).release();
  });
});
