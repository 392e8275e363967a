/**
 * Calls within one thread, by tinybench: a call into the shim that does nothing, one message through both ends of a
 * channel, a stamp of a hybrid logical clock, and a call of a kernel, from the message to the awaited reply. A sample is
 * a loop of BATCH, through BATCH.
 *
 *     calls.ts noop|push-pop|tick|kernel NAME
 */
import { Bench } from "tinybench";
import { Channel } from "../../src/index.ts";
import { HybridLogicalClock, KernelRuntime } from "../../src/kernel/index.ts";
import { native } from "../../src/native/load.ts";

const [kind, name = ""] = Bun.argv.slice(2);
const BATCH = 1000;

async function noop(): Promise<() => void> {
  const shim = native();
  const version = shim.lf_abi_version();
  return () => {
    let sum = 0;
    for (let i = 0; i < BATCH; i++) sum += shim.lf_abi_version();
    if (sum !== BATCH * version) throw new Error(`the sum is ${sum}`);
  };
}

async function pushPop(): Promise<() => void> {
  const [to, from] = await Promise.all([
    Channel.open(name, { role: "producer", profile: "low-latency" }),
    Channel.open(name, { role: "consumer" }),
  ]);
  const payload = new Uint8Array(new ArrayBuffer(64));
  return () => {
    for (let i = 0; i < BATCH; i++) {
      payload[0] = i;
      payload[63] = i >> 8;
      const sent = to.trySend(payload);
      const frame = from.tryRecv();
      const got = frame?.bytes;
      if (!sent || got?.[0] !== (i & 255) || got[63] !== i >> 8) throw new Error(`message ${i} is wrong`);
      frame!.release();
    }
  };
}

async function tick(): Promise<() => void> {
  const clock = new HybridLogicalClock({ nodeId: 1 });
  let last = clock.tick();
  return () => {
    for (let i = 0; i < BATCH; i++) {
      const next = clock.tick();
      if (HybridLogicalClock.compare(last, next) !== -1) throw new Error(`stamp ${i} is not greater than the last`);
      last = next;
    }
  };
}

async function kernel(): Promise<() => Promise<void>> {
  const runtime = await KernelRuntime.create({ backend: "cpu" });
  const echo = await runtime.launch("echo", { source: { handler: ({ payload }) => payload } });
  await echo.activate();
  const payload = new Uint8Array(new ArrayBuffer(64));
  return async () => {
    for (let i = 0; i < BATCH; i++) {
      payload[0] = i;
      payload[63] = i >> 8;
      const { payload: got } = await echo.call({ payload });
      if (got[0] !== (i & 255) || got[63] !== i >> 8) throw new Error(`reply ${i} is wrong`);
    }
  };
}

type Loop = () => void | Promise<void>;
const loops: Record<string, () => Promise<Loop>> = { noop, "push-pop": pushPop, tick, kernel };
const loop = await (loops[kind as string] as () => Promise<Loop>)();
const bench = new Bench({ time: 300, warmupTime: 200, throws: true });
bench.add(kind!, loop);
if (kind === "kernel") await bench.run();
else bench.runSync();
const result = bench.tasks[0]!.result;
if (result.state !== "completed") throw new Error(`tinybench: ${result.state}`);
const perCall = (ms: number | undefined) => ((ms ?? Number.NaN) * 1e6) / BATCH;
console.log(JSON.stringify({ [kind!]: { p50: perCall(result.latency.p50), p99: perCall(result.latency.p99) } }));
process.exit(0);
