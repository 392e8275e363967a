// The model of ring kernels, step by step: bun docs/examples/kernels.ts [cpu | vulkan | metal]
import { type Backend, HybridLogicalClock, type Kernel, KernelRuntime, neighbours2d, struct } from "lava-flow/kernel";

/** Payloads are bytes. These programs send 32-bit words, little-endian as in WGSL. */
const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
const wordsOf = (bytes: Uint8Array) => new Uint32Array(bytes.slice().buffer);
const first = ({ payload }: { payload: Uint8Array }) => wordsOf(payload)[0] as number;

const backend = (process.argv[2] ?? "auto") as Backend | "auto";
await using runtime = await KernelRuntime.create({ backend });
for (const { backend, reason } of runtime.rejected) console.log(`not on ${backend}: ${reason}`);
console.log(`on ${runtime.backend}`);

// ───────────── the first kernel ─────────────

const total = await runtime.launch("total", {
  source: {
    wgsl: `
      fn on_message(message: Message) {
        set_state(0u, state(0u) + payload(0u));
        set_reply(0u, state(0u));
        reply(4u);
      }`,
    handler({ payload }, { state }) {
      const sum = new Uint32Array(state.buffer, state.byteOffset, 1);
      sum[0] = (sum[0] as number) + first({ payload });
      return words(sum[0]);
    },
  },
});
await total.activate();

await total.call({ payload: words(40) });
const reply = await total.call({ payload: words(2) });
console.log(`the total is ${first(reply)}`);

// ───────────── many threads for a message ─────────────

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const floatsOf = (bytes: Uint8Array) => new Float32Array(bytes.slice().buffer);

const scale = await runtime.launch("scale", {
  workgroupSize: 64,
  payloadBytes: 4096,
  source: {
    wgsl: `
      fn on_message(message: Message) {
        let count = message.bytes / 4u - 1u;
        for (var i = message.thread; i < count; i += message.threads) {
          set_reply_f32(i, payload_f32(0u) * payload_f32(i + 1u));
        }
        if (message.thread == 0u) { reply(4u * count); }
      }`,
    handler({ payload }) {
      const [factor = 0, ...values] = floatsOf(payload);
      return floats(...values.map((value) => factor * value));
    },
  },
});
await scale.activate();

const scaled = await scale.call({ payload: floats(0.5, 1, 2, 3) });
console.log(`scaled: ${floatsOf(scaled.payload).join(", ")}`);

// ───────────── messages of structs ─────────────

const Push = struct("Push", { force: "vec3f", seconds: "f32" });
const Body = struct("Body", { speed: "vec3f", pushes: "u32" });

const body = await runtime.launch("body", {
  request: Push,
  reply: Body,
  source: {
    wgsl: `
      fn on_message(message: Message) {
        let push = payload_Push(0u);
        var body = state_Body(0u);
        body.speed += push.force * push.seconds;
        body.pushes++;
        set_state_Body(0u, body);
        set_reply_Body(0u, body);
        reply(Body_SIZE);
      }`,
    handler({ payload: { force, seconds } }, { state }) {
      const body = Body.unpack(state);
      for (const i of [0, 1, 2] as const) body.speed[i] += force[i] * seconds;
      body.pushes++;
      Body.write(body, state);
      return body;
    },
  },
});
await body.activate();

await body.call({ payload: { force: [0, 0, 1], seconds: 2 } });
const { payload: moving } = await body.call({ payload: { force: [4, 0, 0], seconds: 0.25 } });
console.log(`after ${moving.pushes} pushes its speed is ${moving.speed.join(", ")}`);

// ───────────── send and receive ─────────────

await total.send({ payload: words(1), type: 7, correlationId: 1001 });
await total.send({ payload: words(2), priority: 3 });
const answer = await total.call({ payload: words(0) }); // leaves the two replies where they are
const replies = [await total.receive(), await total.receive()];
const mine = replies.find(({ correlationId }) => correlationId === 1001);
console.log(`the total is ${first(answer)}; the reply to 1001 is of type ${mine?.type}, from ${mine?.source}`);

// ───────────── deadlines ─────────────

const late = await total.call({ payload: words(1000), deadlineMs: 0 }).catch((error) => error.code);
console.log(`too late: ${late}`);

// ───────────── backpressure ─────────────

const echo = await runtime.launch("echo", {
  inputCapacity: 4,
  outputCapacity: 2,
  source: {
    wgsl: `fn on_message(message: Message) { set_reply(0u, payload(0u)); reply(4u); }`,
    handler: ({ payload }) => payload,
  },
});
await echo.activate();

let sent = 0;
while (echo.trySend({ payload: words(sent) })) sent++; // false: no reply was received, so no more messages are handled
const echoed: number[] = [];
while (echoed.length < sent) echoed.push(first(await echo.receive()));
console.log(
  `${sent >= 4 ? "at least 4" : sent} found room, and came back ${echoed.every((word, i) => word === i) ? "in order" : echoed}`,
);

// ───────────── kernels that send to kernels ─────────────

const SIDE = 4;
const name = (x: number, y: number) => `cell-${x},${y}`;
const EAST = 1; // neighbours2d gives west, east, south, north
const row: Kernel[] = []; // the last cell of each

for (let y = 0; y < SIDE; y++) {
  for (let x = 0; x < SIDE; x++) {
    const routes = neighbours2d([x, y], [SIDE, SIDE], name, { periodic: true });
    const cell = await runtime.launch(name(x, y), {
      routes,
      source: {
        wgsl: `
          const EAST = 1u;
          fn on_message(message: Message) {
            if (message.kind == 1u) { // how many came by?
              set_reply(0u, state(0u));
              reply(4u);
              return;
            }
            set_state(0u, state(0u) + 1u);
            set_out(0u, payload(0u) - 1u);
            if (payload(0u) > 1u) { send_to(EAST, 4u); }
          }`,
        handler({ type, payload }, { state, sendTo }) {
          const passed = new Uint32Array(state.buffer, state.byteOffset, 1);
          if (type === 1) return words(passed[0] as number);
          passed[0] = (passed[0] as number) + 1;
          const left = first({ payload });
          if (left > 1) sendTo(routes[EAST] as string, words(left - 1));
        },
      },
    });
    await cell.activate();
    if (x === SIDE - 1) row.push(cell);
  }
}

const status = await runtime.k2k?.send("host", name(0, 2), words(400));
const last = row[2];
let passed = 0;
while (last && passed < 100) passed = first(await last.call({ payload: words(), type: 1 }));
console.log(`${status}: 400 hops round a row of 4, ${passed} of them by its last cell`);

// ───────────── the clock ─────────────

const before = runtime.clock.tick();
const { timestamp } = await total.call({ payload: words(0) });
const after = runtime.clock.tick();
console.log(
  `the reply came ${HybridLogicalClock.compare(before, timestamp) < 0 ? "after" : "before"} the question,`,
  `and ${HybridLogicalClock.compare(timestamp, after) < 0 ? "before" : "after"} what was done next`,
);

// ───────────── errors ─────────────

const refused = await runtime
  .launch("wrong", {
    source: { wgsl: `fn on_message(message: Message) {\n  set_reply(0u, payload("0"));\n}`, handler: () => undefined },
  })
  .then(
    () => "no shader was compiled",
    ({ code, message }) => `${code}${/wgsl:(\d+)/.test(message) ? " with the line" : ""}`,
  );
console.log(`a body with an error: ${refused}`);

// ───────────── the end ─────────────

const { drained, rejected } = await runtime.shutdown();
console.log(`at the end ${drained} messages were handled still, and ${rejected} were not`);
