/** Channels between two TypeScript processes, each row next to the machine's figure without this library. */
import {
  alternate,
  atLeast,
  atMost,
  type Bench,
  baseline,
  execute,
  type Figure,
  type Figures,
  freshName,
  lastLine,
  measuredOnce,
  pair,
  pinned,
  row,
  run,
  script,
  take,
} from "./measure.ts";

const REPETITIONS = 7;
const MIB = 1 << 20;
const ROUNDS = 300_000;
/** Slots of the ring under the profiles that the two loads use (src/channel/transport/shm.ts). */
const LATENCY_SLOTS = 256;
const THROUGHPUT_SLOTS = 4096;

/** The C program may spin in the machine's best way. */
function faster(figures: Figures, a: string, b: string): { name: string; figure: Figure } {
  const [first, second] = [take(figures, a), take(figures, b)];
  return first.p50 <= second.p50 ? { name: a, figure: first } : { name: b, figure: second };
}

async function latency() {
  const figures = await alternate(
    REPETITIONS,
    () => pair("latency", "copy", 64, ROUNDS),
    () => baseline("pingpong", ROUNDS),
    () => baseline("ring", "latency", LATENCY_SLOTS, 64, ROUNDS),
  );
  const ours = take(figures, "copy");
  const raw = faster(figures, "pause", "plain");
  const base = {
    name: `raw C cache-line ping-pong (spinning ${raw.name === "pause" ? "with" : "without"} pause)`,
    figure: raw.figure,
  };
  const bar = atMost(ours.p50 / raw.figure.p50, 1.25, "1.25 ×");
  const fromC = take(figures, "latency-c");
  return [
    row("shm/latency/64B", "ns", ours, base, { bar }),
    row("shm/latency/64B/from-c", "ns", fromC, base, { note: "the same ring driven from C" }),
  ];
}

async function latencyOfLoans() {
  const bytes = 4 * MIB;
  const figures = await alternate(
    REPETITIONS,
    () => pair("latency", "loan", bytes, ROUNDS / 3),
    () => pair("latency", "copy", 64, ROUNDS),
    () => pair("latency", "loan-untouched", bytes, ROUNDS / 3),
  );
  const base = { name: "shm/latency/64B", figure: take(figures, "copy") };
  const loan = take(figures, "loan");
  return [
    row("shm/latency/4MiB-loan", "ns", loan, base, {
      bar: atMost(loan.p50 / base.figure.p50, 1.5, "1.5 ×"),
      note: "first and last byte written and read",
    }),
    row("shm/latency/4MiB-loan/untouched", "ns", take(figures, "loan-untouched"), base),
  ];
}

async function throughput() {
  const count = 8_000_000;
  const figures = await alternate(
    REPETITIONS,
    () => pair("stream", 64, count, "ends"),
    () => baseline("ring", "throughput", THROUGHPUT_SLOTS, 64, count),
    () => pair("stream", 64, count, "all"),
  );
  const base = { name: "the same ring driven from C", figure: take(figures, "throughput-c") };
  const ours = take(figures, "ends");
  return [
    row("shm/throughput/64B", "M msg/s", ours, base, { bar: atLeast(ours.p50, 15, "15 M msg/s") }),
    row("shm/throughput/64B/every-byte", "M msg/s", take(figures, "all"), base, {
      note: "the receiver sums up all 64 bytes in JavaScript",
    }),
  ];
}

async function awaitedThroughput() {
  const count = 4_000_000;
  const figures = await alternate(
    REPETITIONS,
    () => pair("await-stream", 64, count),
    () => baseline("ring", "throughput", THROUGHPUT_SLOTS, 64, count),
  );
  const ours = take(figures, "await");
  const base = { name: "the same ring driven from C", figure: take(figures, "throughput-c") };
  return [
    row("shm/throughput/64B-await", "M msg/s", ours, base, {
      bar: atLeast(ours.p50, 10, "10 M msg/s"),
      note: "`for await` against `await send`",
    }),
  ];
}

async function send() {
  const figures = await alternate(
    REPETITIONS,
    () => pair("send", 5000),
    () => baseline("ring", "send", THROUGHPUT_SLOTS, 64, 300_000),
  );
  const ours = take(figures, "send");
  const base = { name: "the same ring driven from C", figure: take(figures, "send-c") };
  const note = "p99 is of means of 64";
  return [row("shm/send/64B", "ns", ours, base, { bar: atMost(ours.p50, 40, "40 ns"), note })];
}

async function blocks() {
  const count = 4000;
  let used = 0;
  const ours = async () => {
    const figures = await pair("stream", MIB, count, "ends");
    used = take(figures, "blocks").p50;
    return figures;
  };
  const figures = await alternate(
    REPETITIONS,
    ours,
    () => baseline("blocks", MIB, used, count),
    () => pair("stream", MIB, count, "all"),
  );
  const base = { name: `memcpy in C to ${used} blocks`, figure: take(figures, "copy") };
  const found = take(figures, "ends");
  return [
    row("shm/throughput/1MiB-send", "GB/s", found, base, { bar: atLeast(found.p50 / base.figure.p50, 0.8, "0.8 ×") }),
    row("shm/throughput/1MiB-send/every-byte", "GB/s", take(figures, "all"), base, {
      note: "the receiver reads every byte",
    }),
  ];
}

async function wakeUp() {
  const pace = 5;
  const figures = await alternate(
    3,
    () => pair("wake", 300, pace),
    () => baseline("wake", 300, pace),
  );
  const ours = take(figures, "wake");
  const has = "eventfd" in figures;
  const { name, figure } = has ? faster(figures, "eventfd", "pipe") : { name: "pipe", figure: take(figures, "pipe") };
  const base = { name: `${name} and epoll in C`, figure };
  return [row("shm/latency/async", "µs", ours, base, { bar: atMost(ours.p50, 40, "40 µs") })];
}

async function idle() {
  const seconds = 5;
  const name = freshName();
  const written = await run(
    ...["first", "second"].map((side) => script("idle", side, name, seconds)),
    script("idle", "none", name, seconds),
  );
  const [producer, consumer, none] = written.map((text) => lastLine<{ percent: number }>(text).percent);
  const over = (percent: number) => measuredOnce(Math.max(0, percent - none!));
  const base = { name: "the same program without a channel", figure: measuredOnce(none!) };
  const bar = atMost(over(consumer!).p50, 0.5, "0.5 % of a core");
  return [
    {
      ...row("shm/idle/consumer", "% of a core", over(consumer!), base, { bar, note: "over its baseline" }),
      ratio: null,
    },
    { ...row("shm/idle/producer", "% of a core", over(producer!), base, { note: "over its baseline" }), ratio: null },
  ];
}

const MESSAGES = 10_000_000;

interface Heap {
  before: { objects: number; bytes: number };
  after: { objects: number; bytes: number };
}

/** Ten million messages: the growth of both heaps, and the number of garbage collections. */
async function steady() {
  const name = freshName();
  const sides = ["producer", "consumer"];
  const commands = sides.map((_, i) =>
    pinned(i as 0 | 1, script("steady", i === 0 ? "first" : "second", name, MESSAGES)),
  );
  const written = await execute(commands, { BUN_JSC_logGC: "1" });
  return written.map(({ out, err }, i) => {
    const { before, after } = lastLine<Heap>(out);
    const meanwhile = err.slice(err.lastIndexOf("messages begin"), err.lastIndexOf("messages end"));
    const collections = meanwhile.split("[GC<").length - 1;
    // The log must contain the collections that the program itself requests.
    if (!err.includes("[GC<")) throw new Error("the engine does not log its collections");
    const grown = after.bytes - before.bytes;
    const objects = after.objects - before.objects;
    const figure = measuredOnce(grown);
    const base = { name: "the heap before", figure: measuredOnce(before.bytes) };
    const bar = { text: "no growth, no collection", met: grown <= 0 && objects <= 0 && collections === 0 };
    const note = `${objects >= 0 ? "+" : ""}${objects} objects (of ${before.objects}), ${collections} collections`;
    return { ...row(`heap/steady/${sides[i]}`, "bytes grown", figure, base, { bar, note }), ratio: null };
  });
}

const bench = (measure: Bench["measure"], ...names: string[]): Bench => ({ names, needsTwoCpus: true, measure });

export const shm: Bench[] = [
  bench(latency, "shm/latency/64B", "shm/latency/64B/from-c"),
  bench(latencyOfLoans, "shm/latency/4MiB-loan", "shm/latency/4MiB-loan/untouched"),
  bench(throughput, "shm/throughput/64B", "shm/throughput/64B/every-byte"),
  bench(awaitedThroughput, "shm/throughput/64B-await"),
  bench(send, "shm/send/64B"),
  bench(blocks, "shm/throughput/1MiB-send", "shm/throughput/1MiB-send/every-byte"),
  bench(wakeUp, "shm/latency/async"),
  { names: ["shm/idle/consumer", "shm/idle/producer"], measure: idle },
  bench(steady, "heap/steady/producer", "heap/steady/consumer"),
];
