/** A peer that says something else than it should while the two get to know each other. */
import { describe, expect, test } from "bun:test";
import { HostListener } from "../../src/channel/connect/host-listener.ts";
import { type Link, MESSAGE } from "../../src/channel/wire/link.ts";
import { Channel } from "../../src/index.ts";
import { native } from "../../src/native/load.ts";
import { agreed, hello, type Raw, say, tell } from "./raw.ts";
import { failure, held, pair, privateDirectory, unique } from "./support.ts";

privateDirectory();

describe("an invalid hello", () => {
  const { hello: kind, verdict } = MESSAGE;
  const wrong: [string, Raw][] = [
    ["no bytes", { kind, bytes: "" }],
    ["not JSON", { kind, bytes: "hello" }],
    ["not UTF-8", { kind, bytes: Uint8Array.of(0x22, 0xff, 0xfe, 0x22) }],
    ["null", say(kind, null)],
    ["a number", say(kind, 5)],
    ["a list", say(kind, [])],
    ["an empty object", say(kind, {})],
    ["very deep", { kind, bytes: "[".repeat(16_000) }],
    ["another message", say(verdict, { ok: true })],
    ["a message of an unknown kind", say(999, hello)],
    ["an unknown role", say(kind, { ...hello, role: "both" })],
    ["the same role", say(kind, { ...hello, role: "consumer" })],
    ["an unknown profile", say(kind, { ...hello, profile: "fast" })],
    ["the name of a method for a profile", say(kind, { ...hello, profile: "toString" })],
    ["an unknown pin", say(kind, { ...hello, pin: "tcp" })],
    ["no requested transports", say(kind, { ...hello, requested: null })],
    ["requested transports in a string", say(kind, { ...hello, requested: "shm" })],
    ["an unknown requested transport", say(kind, { ...hello, requested: ["shm", "toString"] })],
    ["no location", say(kind, { ...hello, location: undefined })],
    ["a location without a hostname", say(kind, { ...hello, location: {} })],
    ["a location with a wrong pid", say(kind, { ...hello, location: { hostname: "a", pid: -1 } })],
    ["a hostname that would write to a terminal", say(kind, { ...hello, location: { hostname: "\u001b[2J" } })],
  ];
  for (const [what, message] of wrong) {
    test(`${what}: CORRUPT_SEGMENT`, async () => {
      const error = await tell("consumer", [message], "CORRUPT_SEGMENT");
      expect(error.message).toContain("the peer");
    });
  }

  test("an invalid hello to a producer: CORRUPT_SEGMENT", async () => {
    await tell("producer", [say(kind, { ...hello, role: "producer" })], "CORRUPT_SEGMENT");
  });
});

describe("messages after the hello", () => {
  const greeting = [say(MESSAGE.hello, hello)];
  const yes = say(MESSAGE.verdict, agreed);

  for (const [what, verdict] of [
    ["null", null],
    ["a word", "yes"],
    ["no answer", {}],
    ["an answer in words", { ok: "yes" }],
  ] as const) {
    test(`a verdict that is ${what}: CORRUPT_SEGMENT`, async () => {
      await tell("consumer", [...greeting, say(MESSAGE.verdict, verdict)], "CORRUPT_SEGMENT");
    });
  }

  test("a message instead of the segment: NO_ROUTE", async () => {
    const error = await tell("consumer", [...greeting, yes, say(MESSAGE.accepted, { ok: true })], "NO_ROUTE");
    expect(error.message).toContain("shm:");
  });

  test("the producer could not make its segment: NO_ROUTE with its reason", async () => {
    const failed = say(MESSAGE.failed, "no memory for it here");
    const error = await tell("consumer", [...greeting, yes, failed], "NO_ROUTE");
    expect(error.message).toContain("no memory for it here");
  });

  test("the consumer can't use the segment: NO_ROUTE with its reason", async () => {
    const refusal = say(MESSAGE.accepted, { ok: false, reason: "it has no place for it" });
    const asConsumer = say(MESSAGE.hello, { ...hello, role: "consumer" });
    const error = await tell("producer", [asConsumer, yes, refusal], "NO_ROUTE");
    expect(error.message).toContain("it has no place for it");
  });

  test("capabilities of another form count as none", async () => {
    for (const capabilities of [{ shm: 5 }, { shm: null }, {}, null, 5, "shm"]) {
      const other = say(MESSAGE.verdict, { ...agreed, capabilities });
      const error = await tell("consumer", [...greeting, other], "NO_ROUTE");
      expect(error.message).toContain("the peer has no shared-memory transport");
    }
  });

  test("silence after the hello: TIMEOUT names the unfinished handshake", async () => {
    const name = unique();
    const opening = failure("TIMEOUT", () => Channel.open(name, { role: "consumer", timeoutMs: 200 }));
    const rendezvous = new HostListener(name, "producer");
    let link: Link | null = null;
    while (!link) {
      await new Promise(setImmediate);
      link = rendezvous.poll();
    }
    expect((await opening).message).toContain("did not finish the handshake");
    link.close();
    rendezvous.close();
    await using ends = await pair({ name });
    expect(ends.consumer.name).toBe(name);
  });

  test("after a peer that exits during the handshake, the next peer connects", async () => {
    const name = unique();
    const opening = Channel.open(name, { role: "consumer" });
    const rendezvous = new HostListener(name, "producer");
    let link: Link | null = null;
    while (!link) {
      await new Promise(setImmediate);
      link = rendezvous.poll();
    }
    link.send(MESSAGE.hello, hello);
    link.close();
    rendezvous.close();
    await using producer = await Channel.open(name, { role: "producer" });
    await using consumer = await opening;
    await producer.send(Uint8Array.of(1));
    (await consumer.recv()).release();
  });
});

test("the memory of a producer that died before it was accepted is unmapped", async () => {
  const before = held();
  const name = unique();
  const opening = failure("TIMEOUT", () => Channel.open(name, { role: "consumer", timeoutMs: 300 }));
  const rendezvous = new HostListener(name, "producer");
  const turn = () => new Promise(setImmediate);
  let link = rendezvous.poll();
  for (; !link; link = rendezvous.poll()) await turn();
  link.send(MESSAGE.hello, hello);
  link.send(MESSAGE.verdict, agreed);
  // The other one's hello and verdict: what it says next is that it accepts.
  for (let heard = 0; heard < 2; ) {
    if (link.receive()) heard++;
    else await turn();
  }
  const producer = native().lf_shm_tx_open(link.handle, 64, 1);
  expect(producer).toBeGreaterThan(0);
  native().lf_tx_close(producer);
  link.close();
  rendezvous.close();
  await opening;
  expect(held()).toEqual(before);
});
