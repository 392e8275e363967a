/**
 * Memory of each kind is closed while a native API of the runtime reads it:
 *
 *     bun pinned.ts KIND API
 *
 * Prints how many bytes the API has in the end, as JSON; it has read what was there before the close.
 */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzip, gzip } from "node:zlib";
import {
  Channel,
  type Consumer,
  type Frame,
  MemoryAllocator,
  type MemoryLocation,
  type Producer,
} from "../../src/index.ts";
import { content } from "./payload.ts";

/** Long enough for the close to come while the API still works, on another thread or in later turns. */
const SIZE = 8 << 20;
const GPU = { devices: [Number(process.env.LAVA_FLOW_TEST_GPU ?? 0)] };

type Close = () => unknown;
interface Held {
  bytes: Uint8Array<ArrayBuffer>;
  close: Close;
}

async function pair(allocator?: MemoryAllocator): Promise<{ out: Producer; input: Consumer }> {
  const name = `pinned-${process.pid}`;
  const transport = "shm";
  const [out, input] = await Promise.all([
    Channel.open(name, { role: "producer", transport, allocator }),
    Channel.open(name, { role: "consumer", transport, allocator }),
  ]);
  return { out, input };
}

function allocated(location: MemoryLocation, gpu = false): Held & { allocator: MemoryAllocator } {
  const allocator = new MemoryAllocator(gpu ? GPU : {});
  const buffer = allocator.allocate(SIZE, location);
  return { bytes: buffer.bytes, close: () => buffer.close(), allocator };
}

async function received(out: Producer, input: Consumer): Promise<Frame> {
  const loan = await out.loan(SIZE);
  loan.bytes.set(content({ size: SIZE, seed: 5 }));
  loan.commit();
  return input.recv();
}

export const KINDS: Record<string, () => Held | Promise<Held>> = {
  "standard memory": () => allocated({ kind: "host" }),
  "huge pages": () => allocated({ kind: "host", hugepages: true }),
  "shared memory": () => allocated({ kind: "host", shared: true }),
  "all memory of an allocator": () => {
    const { bytes, allocator } = allocated({ kind: "host", shared: true });
    return { bytes, close: () => allocator.close() };
  },
  "a loan": async () => {
    const { out } = await pair();
    const { bytes } = await out.loan(SIZE);
    return { bytes, close: () => out.close() };
  },
  "a frame": async () => {
    const { out, input } = await pair();
    const { bytes } = await received(out, input);
    return { bytes, close: () => input.close() };
  },
  "a frame, by its producer": async () => {
    const { out, input } = await pair();
    const { bytes } = await received(out, input);
    return { bytes, close: () => out.close() };
  },
  "a frame in a region that its producer takes back": async () => {
    const { out, input } = await pair();
    const frame = await received(out, input);
    const { bytes } = frame;
    const close = async () => {
      frame.release();
      // Blocks of other sizes, until the pool is full: the region above has to make place.
      for (let size = 9 << 20; size < 40 << 20; size += 4 << 20) {
        await out.send(new Uint8Array(size));
        (await input.recv()).release();
      }
      await input.close();
      await out.close();
    };
    return { bytes, close };
  },
  "a frame that is a MemoryBuffer": async () => {
    const { out, input } = await pair();
    const { bytes: mine, allocator } = allocated({ kind: "host", shared: true });
    const buffer = allocator.allocate(SIZE, { kind: "host", shared: true });
    buffer.bytes.set(content({ size: SIZE, seed: 5 }));
    mine.fill(1);
    await out.send(buffer);
    const { bytes } = await input.recv();
    return {
      bytes,
      close: () => {
        buffer.close();
        return input.close();
      },
    };
  },
  "GPU memory": () => allocated({ kind: "gpu", hostVisible: true }, true),
  "pinned memory": () => allocated({ kind: "host", gpuPinned: true }, true),
  "GPU memory, with the GPU": () => {
    const { bytes, allocator } = allocated({ kind: "gpu", hostVisible: true }, true);
    return { bytes, close: () => allocator.close() };
  },
};

const file = join(tmpdir(), `lava-flow-pinned-${process.pid}`);

const inflated = (packed: Buffer) =>
  new Promise<Uint8Array>((resolve, reject) =>
    gunzip(packed, (error, plain) => (error ? reject(error) : resolve(plain))),
  );

async function fromFile(written: Promise<unknown>): Promise<Uint8Array> {
  await written;
  return readFileSync(file);
}

/** Begins to read the bytes in the call, and gives what it read of them in the end, where that can be seen. */
type Use = (bytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array | null>;

/** What the other end of a connection gets. */
async function socket(): Promise<Use> {
  const got: Buffer[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const server = createServer((side) => {
    side.on("data", (data: Buffer) => got.push(data));
    side.on("end", () => {
      server.close();
      resolve(Buffer.concat(got));
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const side = connect((server.address() as AddressInfo).port, "127.0.0.1");
  side.on("error", reject);
  await new Promise<void>((connected) => side.on("connect", connected));
  return (bytes) => {
    side.end(bytes);
    return promise;
  };
}

/** Another thread has the memory then. */
async function worker(): Promise<Use> {
  const code = "onmessage = ({ data }) => postMessage(data && new Uint8Array(data).slice()); postMessage(0);";
  const thread = new Worker(URL.createObjectURL(new Blob([code])));
  const next = () => new Promise<Uint8Array>((resolve) => (thread.onmessage = ({ data }) => resolve(data)));
  await next();
  return (bytes) => {
    const { byteOffset, byteLength } = bytes;
    thread.postMessage(bytes.buffer, [bytes.buffer]);
    return next().then((all) => all.subarray(byteOffset, byteOffset + byteLength));
  };
}

async function http(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const response = new Response(bytes);
  using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => response });
  const answer = await fetch(server.url);
  return await answer.bytes();
}

const at = (use: Use) => async () => use;
export const APIS: Record<string, () => Promise<Use>> = {
  none: at(async () => null),
  gzip: at(
    (bytes) =>
      new Promise((resolve, reject) =>
        gzip(bytes, (error, packed) => (error ? reject(error) : resolve(inflated(packed)))),
      ),
  ),
  zstd: at(async (bytes) => Bun.zstdDecompress(await Bun.zstdCompress(bytes))),
  writeFile: at((bytes) => fromFile(writeFile(file, bytes))),
  "Bun.write": at((bytes) => fromFile(Bun.write(file, bytes))),
  socket,
  http: at(http),
  worker,
  stdin: at((bytes) => Bun.spawn(["cat"], { stdin: bytes }).stdout.bytes()),
  blob: at((bytes) => new Blob([bytes]).bytes()),
  digest: at((bytes) => crypto.subtle.digest("SHA-256", bytes).then(() => null)),
  webassembly: at((bytes) =>
    WebAssembly.compile(bytes).then(
      () => null,
      () => null,
    ),
  ),
};

async function run(kind: string, api: string): Promise<void> {
  const wanted = content({ size: SIZE, seed: 5 });
  const { bytes, close } = await (KINDS[kind] as () => Promise<Held>)();
  bytes.set(wanted);
  const use = await (APIS[api] as (typeof APIS)[string])();
  const used = use(bytes).catch((error: unknown) => error as Error);
  await close();
  // Still there, and the same, or detached.
  const left = bytes.length;
  const same = left === 0 || Buffer.compare(bytes, wanted) === 0;
  const got = await used;
  const read = got instanceof Error ? got.message : got === null ? null : Buffer.compare(got, wanted) === 0;
  console.log(JSON.stringify({ left, same, read }));
}

if (import.meta.main) {
  await run(process.argv[2] as string, process.argv[3] as string);
  await Bun.file(file)
    .delete()
    .catch(() => {});
  process.exit(0);
}
