/**
 * Ping-pong over two channels, both ends spinning in recvSync. See ping-pong.ts.
 *
 *     latency.ts first|second NAME copy|loan|loan-untouched BYTES ROUNDS [TRANSPORT]
 */
import { Channel, type Frame, type TransportName } from "../../src/index.ts";
import { closeBoth, pingPong } from "./ping-pong.ts";

const [side, name = "", kind, size, count, pin] = Bun.argv.slice(2);
const bytes = Number(size);
const rounds = Number(count);
const SPIN = { timeoutMs: 10_000, spinUs: 10_000_000 };

const first = side === "first";
const open = <Role extends "producer" | "consumer">(direction: string, role: Role) =>
  Channel.open<Role>(`${name}.${direction}`, {
    role,
    profile: "low-latency",
    transport: pin as TransportName | undefined,
  });
const [to, from] = await Promise.all([
  open(first ? "there" : "back", "producer"),
  open(first ? "back" : "there", "consumer"),
]);

const payload = new Uint8Array(new ArrayBuffer(bytes));
const last = bytes - 1;

function sendCopy(n: number): void {
  payload[0] = n;
  payload[last] = n >> 8;
  while (!to.trySend(payload));
}

function sendLoan(n: number): void {
  let loan = to.tryLoan(bytes);
  while (!loan) loan = to.tryLoan(bytes);
  const payload = loan.bytes;
  payload[0] = n;
  payload[last] = n >> 8;
  loan.commit();
}

function sendUntouched(): void {
  let loan = to.tryLoan(bytes);
  while (!loan) loan = to.tryLoan(bytes);
  loan.commit();
}

function receive(n: number): Frame {
  const frame = from.recvSync(SPIN);
  const got = frame?.bytes;
  if (!got || got.length !== bytes || got[0] !== (n & 255) || got[last] !== ((n >> 8) & 255)) {
    throw new Error(`round ${n}: ${got?.length} bytes, ${got?.[0]} and ${got?.[last]}`);
  }
  return frame as Frame;
}

function receiveUntouched(): Frame {
  const frame = from.recvSync(SPIN);
  if (frame?.sizeBytes !== bytes) throw new Error(`a frame of ${frame?.sizeBytes} bytes`);
  return frame;
}

const send = kind === "copy" ? sendCopy : kind === "loan" ? sendLoan : sendUntouched;
const take = kind === "loan-untouched" ? receiveUntouched : receive;

const figure = pingPong(first, rounds, send, take);
if (figure) console.log(JSON.stringify({ [kind!]: figure }));
await closeBoth(to, from);
