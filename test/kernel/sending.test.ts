/**
 * Bodies on a GPU: send_with for each invocation, and reply_to; and the
 * values of module variables from message to message.
 */
import { describe, expect, test } from "bun:test";
import { type Kernel, KernelRuntime } from "../../src/kernel/index.ts";
import { failure, privateDirectory } from "../channel/support.ts";
import { device, vulkan } from "../gpu/support.ts";
import { word, words } from "./support.ts";

privateDirectory();

const ECHO = "fn on_message(message: Message) { set_reply(0u, payload(0u)); reply(4u); }";

describe.skipIf(!vulkan)("on a GPU", () => {
  const create = (name: string) => KernelRuntime.create({ backend: "vulkan", device, name });

  async function active(runtime: KernelRuntime, id: string, wgsl: string, options = {}): Promise<Kernel> {
    const kernel = await runtime.launch(id, { source: { wgsl }, ...options });
    await kernel.activate();
    return kernel;
  }

  test("each invocation sends separate words to a separate kernel", async () => {
    await using runtime = await create("scatter");
    const sinks = await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((i) => active(runtime, `sink${i}`, ECHO)));
    const scatter = `fn on_message(m: Message) {
      set_out(m.thread, 100u + m.thread);
      _ = send_with(m.thread, m.thread, 4u, m.kind, 1u, 0u);
    }`;
    const kernel = await active(runtime, "scatter", scatter, { workgroupSize: 8, routes: sinks.map(({ id }) => id) });
    await kernel.send({ payload: words(0) });
    const got = await Promise.all(sinks.map(async (sink) => word((await sink.receive()).payload)));
    expect(got).toEqual([100, 101, 102, 103, 104, 105, 106, 107]);
  });

  test("module variables are reset in each submission, and kept from message to message within it", async () => {
    await using runtime = await create("variables");
    const counting = `var<private> own: u32 = 5u;
      var<workgroup> all: u32;
      fn on_message(m: Message) {
        own++;
        all++;
        set_reply(0u, own);
        set_reply(1u, all);
        reply(8u);
      }`;
    const kernel = await active(runtime, "counting", counting);
    for (let i = 0; i < 3; i++) expect((await kernel.call({ payload: words(0) })).payload).toEqual(words(6, 1));
    // These three messages go into one submission.
    const calls = [0, 1, 2].map(() => kernel.call({ payload: words(0) }));
    const replies = await Promise.all(calls);
    expect(replies.map(({ payload }) => payload)).toEqual([words(6, 1), words(7, 2), words(8, 3)]);
  });

  test("a body can't send words beyond its payload", async () => {
    await using runtime = await create("ends");
    const sizes = "fn on_message(m: Message) { set_reply(0u, m.bytes); reply(4u); }";
    const sink = await active(runtime, "sink", sizes);
    const body = "fn on_message(m: Message) { _ = send_with(0u, payload(0u), payload(1u), 5u, 7u, 0u); }";
    const kernel = await active(runtime, "kernel", body, { routes: ["sink"], payloadBytes: 16 });
    for (const [first, bytes, sent] of [
      [0, 16, 16],
      [0, 17, 16],
      [3, 16, 4],
      [4, 16, 0],
      [0xffffffff, 0xffffffff, 0],
    ] as const) {
      await kernel.send({ payload: words(first, bytes) });
      const reply = await sink.receive();
      expect([word(reply.payload), reply.type, reply.priority]).toEqual([sent, 5, 3]);
    }
  });

  test("reply_to reaches a kernel of this runtime, of another one, and the program", async () => {
    await using here = await create("here");
    await using there = await create("there");
    await Promise.all([here.k2k!.connect("there"), there.k2k!.connect("here")]);
    const server = `fn on_message(message: Message) {
      set_out(0u, 2u * payload(0u));
      set_reply(0u, select(0u, 1u, reply_to(message.source, 4u)));
    }`;
    // Sends a question, and answers its own caller when the answer arrives.
    const client = `fn on_message(message: Message) {
      if (message.source == 0u) { set_out(0u, payload(0u)); _ = send_to(0u, 4u); return; }
      set_reply(0u, payload(0u) + 1u);
      reply(4u);
    }`;
    const near = await active(here, "server", server);
    await active(there, "server", server);
    const direct = await near.call({ payload: words(4) });
    expect([word(direct.payload), direct.source]).toEqual([8, "server"]);
    const nearClient = await active(here, "near", client, { routes: ["server"] });
    expect(word((await nearClient.call({ payload: words(5) })).payload)).toBe(11);
    const farClient = await active(here, "far", client, { routes: ["there/server"] });
    await farClient.send({ payload: words(6) });
    expect(word((await farClient.receive()).payload)).toBe(13);
    // The call crosses both runtimes, and its answer crosses them in reverse.
    expect(word((await farClient.call({ payload: words(8) })).payload)).toBe(17);
    // No kernel has this number.
    const lost = "fn on_message(message: Message) { set_reply(0u, select(0u, 1u, reply_to(77777u, 4u))); }";
    const losing = await active(here, "lost", lost);
    await failure("NO_REPLY", () => losing.call({ payload: words(7) }));
  });
});
