/**
 * The same ping-pong and stream over zeromq's PAIR sockets on ipc://. It runs under Node: zeromq 6 needs libuv's
 * uv_poll_init_socket, which Bun does not have (oven-sh/bun#18546).
 *
 *     zeromq.mjs first|second PATH ROUNDS BLOCKS
 */
import zmq from "zeromq";

const [side, path, roundCount, blockCount] = process.argv.slice(2);
const rounds = Number(roundCount);
const blocks = Number(blockCount);
const SMALL = Buffer.alloc(64);
const BYTES = 1 << 20;
const BATCH = 100;
const SINGLE = rounds / 5;
const WINDOW = 8;
const WARM = 0.2;
/** zeromq sends large buffers without a copy: one may be written again when it was answered. */
const large = Array.from({ length: WINDOW }, () => Buffer.alloc(BYTES));

const socket = new zmq.Pair({ linger: 1000 });
const nowNs = () => Number(process.hrtime.bigint());

async function pingPong(rounds, batch) {
  const samples = [];
  let start = nowNs();
  for (let n = 1; n <= rounds; n++) {
    SMALL[0] = SMALL[63] = n;
    await socket.send(SMALL);
    await socket.receive();
    if (n % batch === 0) {
      const now = nowNs();
      samples.push((now - start) / batch / 2);
      start = now;
    }
  }
  return samples;
}

async function stream() {
  const samples = [];
  let start = nowNs();
  const send = async () => {
    for (let n = 0; n < blocks; n++) {
      if (n >= WINDOW) await answered();
      const payload = large[n % WINDOW];
      payload[0] = payload[BYTES - 1] = n;
      await socket.send(payload);
    }
    for (let n = 0; n < WINDOW; n++) await answered();
  };
  let count = 0;
  const answered = async () => {
    await socket.receive();
    if (++count % WINDOW !== 0) return;
    const now = nowNs();
    samples.push((BYTES * WINDOW) / (now - start));
    start = now;
  };
  await send();
  return samples;
}

async function answer(count, bytes) {
  for (let n = 0; n < count; n++) {
    const [got] = await socket.receive();
    if (got.length !== bytes || got[0] !== got[bytes - 1])
      throw new Error(`message ${n}: ${got.length} bytes, ${got[0]} and ${got[bytes - 1]}`);
    await socket.send(SMALL);
  }
}

if (side === "first") {
  await socket.bind(`ipc://${path}`);
  const latency = await pingPong(rounds, BATCH);
  const single = await pingPong(SINGLE, 1);
  const streamed = await stream();
  const warm = (samples) => samples.slice(samples.length * WARM);
  console.log(JSON.stringify({ latency: warm(latency), single, stream: warm(streamed) }));
} else {
  socket.connect(`ipc://${path}`);
  await answer(rounds + SINGLE, SMALL.length);
  await answer(blocks, BYTES);
}
socket.close();
