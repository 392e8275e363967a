// A thousand kernels that pass a message on: bun docs/examples/relay.ts [cpu | vulkan | metal]
import { type Backend, KernelRuntime } from "lava-flow/kernel";

const words = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);
const backend = (process.argv[2] ?? "auto") as Backend | "auto"; // auto: a GPU, or the processor where there is none
await using runtime = await KernelRuntime.create({ backend });

const ids = Array.from({ length: 1000 }, (_, i) => `runner-${i}`);
const runners = await Promise.all(
  ids.map((id, i) => {
    const next = ids[(i + 1) % ids.length] as string;
    return runtime.launch(id, {
      inputCapacity: 4,
      outputCapacity: 4,
      routes: [next],
      source: {
        wgsl: `
          fn on_message(message: Message) {
            let left = payload(0u);
            if (left == 0u) { reply(0u); return; }
            set_out(0u, left - 1u);
            send_to(0u, 4u);
          }`,
        handler({ payload }, { sendTo }) {
          const left = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
          if (left === 0) return new Uint8Array();
          sendTo(next, words(left - 1));
        },
      },
    });
  }),
);
for (const runner of runners) await runner.activate();

const [first] = runners;
await first?.send({ payload: words(10_000) });
const reply = await first?.receive();
console.log(`${reply?.source} has it again, ten times round ${runners.length} kernels, on ${runtime.backend}`);
