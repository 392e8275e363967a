/** `lava-flow demo`: streams a file and a million messages between two processes, and measures both. */
import { randomUUID } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { basename } from "node:path";
import { version } from "../../package.json" with { type: "json" };
import { Channel, type Consumer, LavaFlowError, type Producer } from "../index.ts";
import { type Command, interruptible, parse, print, systemError, UsageError } from "./command.ts";
import { BACK, END, FRAME_BYTES, LIMIT_MS, MESSAGE_BYTES, type Report, SPIN } from "./demo-peer.ts";
import { binaryBytes, count, decimalBytes, duration, row, threeDigits } from "./format.ts";
import { Progress } from "./progress.ts";
import { SecondProcess, thisProgram } from "./second-process.ts";
import { routeRows } from "./transfer.ts";

const usage = `Usage: lava-flow demo [OPTIONS]

Starts a second process and streams a file to it, which the process verifies.
Then sends small messages, and measures the latency of one.

  --file PATH    the file to stream; default: this program itself, about 100 MB
  --messages N   number of small messages; default 1000000`;

const MESSAGES_MAX = 1e9;
const WARM_UP = 2_000;
const ROUND_TRIPS = 20_000;
/** Limit of the latency measurement: on busy processors a round trip can take a thousand times longer. */
const LATENCY_NS = 2e9;
/** Messages per update of the progress bar: reading the clock costs more than sending a message. */
const MESSAGES_PER_UPDATE = 16_384;
/** Calls of `trySend` before `send`: a full queue drains in less time than sleeping and waking takes. */
const TRIES = 1_000;

interface Lines {
  data: Producer;
  back: Consumer;
}

async function run(args: string[]): Promise<number> {
  const { values } = parse(args, { file: { type: "string" }, messages: { type: "string" } }, [0, 0]);
  const messages = Number(values.messages ?? "1000000");
  if (values.messages?.trim() === "" || !Number.isInteger(messages) || messages < 0 || messages > MESSAGES_MAX) {
    throw new UsageError(`--messages takes a whole number from 0 to ${count(MESSAGES_MAX)}`);
  }
  const path = values.file ?? process.execPath;
  const file = openFile(path);
  try {
    return await interruptible((signal) => show(path, file, messages, signal));
  } finally {
    closeSync(file);
  }
}

async function show(path: string, file: number, messages: number, signal: AbortSignal): Promise<number> {
  const name = `demo-${randomUUID()}`;
  await using peer = new SecondProcess([...thisProgram(), "demo-peer", name, String(messages)]);
  return await peer.blame(async (peerEnded) => {
    const limits = { timeoutMs: LIMIT_MS, signal: AbortSignal.any([signal, peerEnded]) };
    const [data, back] = await Promise.all([
      Channel.open(name, { role: "producer", profile: "high-throughput", ...limits }),
      Channel.open(name + BACK, { role: "consumer", ...limits }),
    ]);
    await using _data = data;
    await using _back = back;
    const lines = { data, back };
    print(row("lava-flow", `${version}, two processes, Bun ${Bun.version}, ${process.platform} ${process.arch}`));
    print(routeRows(data.route));
    await streamFile(lines, path, file, signal);
    if (messages > 0) await sendMessages(lines, messages, signal);
    await measureLatency(lines);
    await peer.finish();
    return 0;
  });
}

function openFile(path: string): number {
  try {
    const file = openSync(path, "r");
    if (fstatSync(file).isFile()) return file;
    closeSync(file);
  } catch (error) {
    throw systemError(`can't read ${path}`, error);
  }
  throw new LavaFlowError("INVALID_ARGUMENT", `${path} is not a file`, { remedy: "Give a file with --file" });
}

/** Streams the file twice, because SHA-256 is slower than the channel: once to verify, once to measure. */
async function streamFile(lines: Lines, path: string, file: number, signal: AbortSignal): Promise<void> {
  // This gives the digest to compare with, and brings the file into the page cache, so that the disk is not measured.
  const expected = digestOf(file);
  const verified = await streamOnce("verifying", lines, file, signal);
  if (verified.bytes !== verified.sent || verified.sha256 !== expected) {
    throw new LavaFlowError(
      "CORRUPT_SEGMENT",
      `${verified.sent} bytes were sent and ${verified.bytes} arrived; SHA-256 ${expected} here and ${verified.sha256} there`,
    );
  }
  const copied = await streamOnce("copying", lines, file, signal);
  const share = Math.round((100 * verified.workNs) / verified.elapsed);
  const rate = ({ sent, elapsed }: { sent: number; elapsed: number }) => `${threeDigits(sent / elapsed)} GB/s`;
  print(
    row(
      "file",
      `${basename(path)}, ${decimalBytes(verified.sent)} in ${count(verified.frames)} frames of ${binaryBytes(FRAME_BYTES)}`,
      `${rate(copied)}, each frame copied out there`,
      `${rate(verified)}, each frame hashed there (hashing takes ${share} % of the time)`,
    ),
  );
  print(row("sha-256", expected, "equal on both sides"));
}

async function streamOnce(label: string, { data, back }: Lines, file: number, signal: AbortSignal) {
  const progress = new Progress(label, fstatSync(file).size, decimalBytes);
  const start = Bun.nanoseconds();
  let sent = 0;
  for (;;) {
    const loan = await data.loan(FRAME_BYTES, { timeoutMs: LIMIT_MS, signal });
    const length = readSync(file, loan.bytes, 0, FRAME_BYTES, sent);
    if (length === 0) {
      loan.abort();
      break;
    }
    loan.commit(length);
    progress.update((sent += length));
  }
  await data.send(END, { timeoutMs: LIMIT_MS, signal });
  const report = await receiveReport(back, signal);
  progress.end();
  return { ...report, sent, elapsed: Bun.nanoseconds() - start };
}

function digestOf(file: number): string {
  const hasher = new Bun.CryptoHasher("sha256");
  const block = new Uint8Array(FRAME_BYTES);
  for (let at = 0; ; ) {
    const length = readSync(file, block, 0, FRAME_BYTES, at);
    if (length === 0) return hasher.digest("hex");
    hasher.update(block.subarray(0, length));
    at += length;
  }
}

async function sendMessages({ data, back }: Lines, messages: number, signal: AbortSignal): Promise<void> {
  const progress = new Progress("messages", messages, count);
  const message = new Uint8Array(MESSAGE_BYTES);
  const number = new Uint32Array(message.buffer, 0, 1);
  const start = Bun.nanoseconds();
  for (let i = 0; i < messages; i++) {
    number[0] = i;
    let sent = data.trySend(message);
    for (let tries = 0; !sent && tries < TRIES; tries++) sent = data.trySend(message);
    if (!sent) await data.send(message, { timeoutMs: LIMIT_MS, signal });
    if (i % MESSAGES_PER_UPDATE === 0) progress.update(i);
  }
  await data.send(END, { timeoutMs: LIMIT_MS, signal });
  const report = await receiveReport(back, signal);
  const elapsed = Bun.nanoseconds() - start;
  progress.update(messages);
  progress.end();
  if (report.frames !== messages || report.misplaced !== 0) {
    throw new LavaFlowError(
      "CORRUPT_SEGMENT",
      `${messages} messages were sent, ${report.frames} arrived, ${report.misplaced} of them not in order`,
    );
  }
  const rate = threeDigits((messages / elapsed) * 1e3);
  print(row("messages", `${count(messages)} of ${MESSAGE_BYTES} bytes, all there and in order: ${rate} million/s`));
}

async function measureLatency({ data, back }: Lines): Promise<void> {
  const message = new Uint8Array(MESSAGE_BYTES);
  const samples = new Float64Array(ROUND_TRIPS);
  const end = Bun.nanoseconds() + LATENCY_NS;
  let taken = 0;
  for (let i = 0; taken < ROUND_TRIPS && (taken === 0 || Bun.nanoseconds() < end); i++) {
    const start = Bun.nanoseconds();
    if (!data.trySend(message)) throw new LavaFlowError("QUEUE_FULL", "a message was not answered");
    const frame = back.recvSync(SPIN);
    if (!frame) throw new LavaFlowError("TIMEOUT", `no answer within ${LIMIT_MS} ms`);
    frame.release();
    if (i >= WARM_UP) samples[taken++] = (Bun.nanoseconds() - start) / 2;
  }
  await data.send(END, { timeoutMs: LIMIT_MS });
  const sorted = samples.subarray(0, taken).sort();
  const at = (share: number) => duration(sorted[Math.floor(share * taken)] as number);
  print(
    row(
      "latency",
      `${MESSAGE_BYTES} bytes, one way: p50 ${at(0.5)}, p99 ${at(0.99)}`,
      `(half of each of ${count(taken)} round trips)`,
    ),
  );
}

async function receiveReport(back: Consumer, signal: AbortSignal): Promise<Report> {
  const frame = await back.recv({ timeoutMs: LIMIT_MS, signal });
  try {
    return JSON.parse(new TextDecoder().decode(frame.bytes)) as Report;
  } finally {
    frame.release();
  }
}

export const demo: Command = { usage, run };
