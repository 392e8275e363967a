/** Kernels on a GPU that message each other, without the host. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { GpuDevice } from "../../src/gpu/device.ts";
import { device, validationIsSilent, vulkan } from "../gpu/support.ts";
import { Bare, type Launched, words, wordsOf } from "./port.ts";

/** A software device compiles a body for half a second, and more on a busy machine. */
setDefaultTimeout(60_000);

let gpu: GpuDevice;
let bare: Bare;
beforeAll(async () => {
  if (!vulkan) return;
  gpu = GpuDevice.open(device);
  bare = await Bare.open(gpu);
});
afterAll(async () => {
  await bare?.[Symbol.asyncDispose]();
  gpu?.release();
});

describe.skipIf(!vulkan)("kernels that message each other", () => {
  /** Passes a count on until it is 0, and then sends the host the sum of the counts that it passed. */
  const HOP = `fn on_message(message: Message) {
    if (payload(0u) == 0u) { set_reply(0u, message.source); reply(4u); return; }
    set_out(0u, payload(0u) - 1u);
    if (!send_to(0u, 4u)) { set_reply(0u, 0xffffffffu); reply(4u); }
  }`;

  test("a message goes many times around a ring without the host", async () => {
    const ring = [];
    for (let i = 0; i < 5; i++) ring.push(await bare.launch(HOP));
    for (const [i, { kernel }] of ring.entries()) kernel.setRoute(0, ring[(i + 1) % 5]!.spec.number);
    for (const hops of [0, 1, 2, 7, 500]) {
      const last = ring[hops % 5]!;
      bare.send(ring[0]!, words(hops));
      const from = hops === 0 ? 0 : ring[(hops - 1) % 5]!.spec.number;
      expect(wordsOf(await last.port.receive())).toEqual([from]);
    }
    expect(bare.backend.metrics.dispatches).toBeLessThan(200);
  });

  test("a message to a kernel of another runtime goes through the host", async () => {
    const from = await bare.launch(HOP);
    from.kernel.setRoute(0, 4711);
    bare.send(from, words(3));
    const message = await from.port.receive();
    expect(message).toMatchObject({ destination: 4711, source: from.spec.number, payload: words(2) });
    from.kernel.setRoute(0, 0);
    expect(wordsOf(await bare.call(from, words(3)))).toEqual([0xffffffff]);
  });

  /** Sends the host the sum of all received words, with each message. */
  const SUM = `fn on_message(message: Message) { set_state(0u, state(0u) + payload(0u)); set_reply(0u, state(0u)); reply(4u); }`;
  /** Sends its payload to each of its routes; replies with the number that accepted it. */
  const SPREAD = `fn on_message(message: Message) {
    var taken = 0u;
    set_out(0u, payload(0u));
    for (var route = 0u; route < payload(1u); route++) { if (send_to(route, 4u)) { taken++; } }
    set_reply(0u, taken); reply(4u);
  }`;

  test("one kernel sends to many, and many to one, in order and without loss", async () => {
    const sinks = [];
    for (let i = 0; i < 6; i++) sinks.push(await bare.launch(SUM));
    const sources = [];
    for (let i = 0; i < 6; i++) {
      const source = await bare.launch(SPREAD, { routeCount: 6 });
      for (const [route, sink] of sinks.entries()) source.kernel.setRoute(route, sink.spec.number);
      sources.push(source);
    }
    for (const source of sources) bare.send(source, words(1, 6));
    for (const source of sources) expect(wordsOf(await source.port.receive())).toEqual([6]);
    for (const { port } of sinks) {
      await port.until(() => port.messages.length === 6);
      expect(port.messages.map(wordsOf)).toEqual([[1], [2], [3], [4], [5], [6]]);
    }
    for (const { kernel } of [...sinks, ...sources]) expect(await kernel.close()).toBe(0);
  });

  test("send_to is false for a full inbox, and true again when its messages were handled", async () => {
    const sink = await bare.launch(SUM, { inputCapacity: 4, isActive: false });
    const source = await bare.launch(SPREAD, { routeCount: 6 });
    for (let route = 0; route < 6; route++) source.kernel.setRoute(route, sink.spec.number);
    expect(wordsOf(await bare.call(source, words(1, 6)))).toEqual([4]);
    expect(wordsOf(await bare.call(source, words(1, 6)))).toEqual([0]);
    sink.kernel.activate();
    for (let sum = 1; sum <= 4; sum++) expect(wordsOf(await sink.port.receive())).toEqual([sum]);
    expect(wordsOf(await bare.call(source, words(10, 3)))).toEqual([3]);
    for (const sum of [14, 24, 34]) expect(wordsOf(await sink.port.receive())).toEqual([sum]);
  });

  test("a peer without credits for replies keeps its inbox; close() counts the messages left", async () => {
    const sink = await bare.launch(SUM);
    const source = await bare.launch(SPREAD);
    for (let route = 0; route < 4; route++) source.kernel.setRoute(route, sink.spec.number);
    sink.port.capacity = 2;
    expect(wordsOf(await bare.call(source, words(1, 4)))).toEqual([4]);
    await sink.port.until(() => sink.port.messages.length === 2);
    sink.port.capacity = 3;
    sink.kernel.resume();
    await sink.port.until(() => sink.port.messages.length === 3);
    expect(sink.port.messages.map(wordsOf)).toEqual([[1], [2], [3]]);
    expect(await sink.kernel.close()).toBe(1);
    // The destination was closed: the message goes to the host, which counts it.
    bare.send(source, words(7, 1));
    await source.port.until(() => source.port.messages.length === 3);
    expect(source.port.messages.slice(1).map(({ destination }) => destination)).toEqual([sink.spec.number, 0]);
  });

  test("a message of higher priority from the host is handled before those in the inbox", async () => {
    const sink = await bare.launch(`fn on_message(message: Message) { set_reply(0u, payload(0u)); reply(4u); }`, {
      isActive: false,
    });
    const source = await bare.launch(SPREAD);
    source.kernel.setRoute(0, sink.spec.number);
    for (const value of [1, 2]) await bare.call(source, words(value, 1));
    bare.send(sink, words(3), { priority: 0 });
    bare.send(sink, words(4), { priority: 1 });
    bare.send(sink, words(5), { priority: 2 });
    sink.kernel.activate();
    const came: number[] = [];
    for (let i = 0; i < 5; i++) came.push(...wordsOf(await sink.port.receive()));
    expect(came).toEqual([5, 1, 2, 4, 3]);
  });

  test("a destination may be launched later; one with smaller payloads accepts only payloads that fit", async () => {
    const source = await bare.launch(HOP, { payloadBytes: 64 });
    const number = source.spec.number + 1;
    source.kernel.setRoute(0, number);
    bare.send(source, words(2));
    expect((await source.port.receive()).destination).toBe(number);
    const sink = await bare.launch(HOP, { payloadBytes: 2 });
    expect(sink.spec.number).toBe(number);
    expect(wordsOf(await bare.call(source, words(2)))).toEqual([0xffffffff]);
  });

  test("many kernels with small inboxes: each accepted message arrives once", async () => {
    /**
     * Word 0: how often it is passed on yet; each time to two others. Word 1 is random, so that the sum of those that
     * were handled tells one that was lost from one that came twice. A word of 0xffffffff asks for the counts and sums.
     */
    const crowd = (salt: number) => `fn on_message(message: Message) {
      if (payload(0u) == 0xffffffffu) { for (var i = 0u; i < 4u; i++) { set_reply(i, state(i)); } reply(16u); return; }
      set_state(0u, state(0u) + 1u);
      set_state(1u, state(1u) + payload(1u));
      if (payload(0u) == 0u) { return; }
      set_out(0u, payload(0u) - 1u);
      for (var i = 0u; i < 2u; i++) {
        set_state(4u, state(4u) * 1664525u + ${salt}u + message.source);
        let token = state(4u) * 2654435761u;
        set_out(1u, token);
        if (send_to((state(4u) >> 16u) % 5u, 8u)) { set_state(2u, state(2u) + 1u); set_state(3u, state(3u) + token); }
      }
    }`;
    const kernels: Launched[] = [];
    for (let i = 0; i < 40; i++) {
      kernels.push(await bare.launch(crowd(1 + 2 * (i % 3)), { routeCount: 5, inputCapacity: i % 2 ? 2 : 8 }));
    }
    for (const [i, { kernel }] of kernels.entries()) {
      for (let route = 0; route < 5; route++)
        kernel.setRoute(route, kernels[(i * 7 + route * 11 + 1) % 40]!.spec.number);
    }
    /** Sums over all kernels: handled messages and their tokens, accepted messages and their tokens. */
    const counted = async () => {
      const totals = new Uint32Array(4);
      for (const each of kernels) {
        for (const [i, count] of wordsOf(await bare.call(each, words(0xffffffff, 0))).entries()) totals[i]! += count;
      }
      return [...totals] as [number, number, number, number];
    };
    for (let round = 1; round <= 3; round++) {
      for (const each of kernels.slice(0, 10)) bare.send(each, words(7, round));
      // Until three polls gave equal sums: the kernels are not polled at one moment.
      let [now, quiet] = [await counted(), 0];
      while (quiet < 3) {
        const before = now;
        now = await counted();
        quiet = Bun.deepEquals(before, now) ? quiet + 1 : 0;
      }
      const [handled, sum, taken, sumTaken] = now;
      const fromHost = 10 * ((round * (round + 1)) / 2);
      expect({ round, handled, sum }).toEqual({ round, handled: taken + 10 * round, sum: (sumTaken + fromHost) >>> 0 });
      expect(taken).toBeGreaterThan(100 * round);
    }
    for (const { kernel } of kernels) expect(await kernel.close()).toBe(0);
  });

  test("an endless ring does not block the event loop, and stops when a kernel is deactivated", async () => {
    const ring = [];
    for (let i = 0; i < 3; i++) ring.push(await bare.launch(HOP));
    for (const [i, { kernel }] of ring.entries()) kernel.setRoute(0, ring[(i + 1) % 3]!.spec.number);
    bare.send(ring[0]!, words(0xffffffff));
    while (ring.reduce((sum, { port }) => sum + port.handledCount, 0) < 1000) await new Promise(setImmediate);
    await ring[1]!.kernel.deactivate();
    const late = await bare.launch(SUM); // others go on meanwhile
    expect(wordsOf(await bare.call(late, words(3)))).toEqual([3]);
    let left = 0;
    for (const { kernel } of ring) left += await kernel.close();
    expect(left).toBe(1);
  });
});

validationIsSilent();
