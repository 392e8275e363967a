/**
 * A rank in which another library uses MPI too, by bun:ffi and on a communicator of its own, while a channel over MPI
 * is at work: `shared-mpi.ts KIND LIBRARY ORDER`. ORDER says who initialises MPI: "first" the library, "second"
 * lava-flow.
 */
import { dlopen, FFIType as T } from "bun:ffi";
import { Channel } from "../../src/index.ts";

const [kind, library, order] = process.argv.slice(2) as ["openmpi" | "mpich", string, "first" | "second"];
const EXCHANGES = 300;
const LARGE = 300_000;
const THREAD_MULTIPLE = 3;
const NOW_AND_GLOBAL = 0x102;

const open = kind === "openmpi";
/** Handles are pointers in Open MPI and numbers in MPICH. */
const H = open ? T.ptr : T.i32;
const { symbols: mpi } = dlopen(library, {
  MPI_Init_thread: { args: [T.ptr, T.ptr, T.i32, T.ptr], returns: T.i32 },
  MPI_Finalize: { args: [], returns: T.i32 },
  MPI_Initialized: { args: [T.ptr], returns: T.i32 },
  MPI_Query_thread: { args: [T.ptr], returns: T.i32 },
  MPI_Comm_rank: { args: [H, T.ptr], returns: T.i32 },
  MPI_Comm_size: { args: [H, T.ptr], returns: T.i32 },
  MPI_Comm_dup: { args: [H, T.ptr], returns: T.i32 },
  MPI_Comm_free: { args: [T.ptr], returns: T.i32 },
  MPI_Sendrecv: {
    args: [T.ptr, T.i32, H, T.i32, T.i32, T.ptr, T.i32, H, T.i32, T.i32, H, T.ptr],
    returns: T.i32,
  },
});
const { symbols: libc } = dlopen("libc.so.6", {
  dlopen: { args: [T.cstring, T.i32], returns: T.ptr },
  dlsym: { args: [T.ptr, T.cstring], returns: T.ptr },
});
const text = (word: string) => Buffer.from(`${word}\0`);

// biome-ignore lint/suspicious/noExplicitAny: a pointer or a number, by the kind
function handle(symbol: string, number: number): any {
  return open ? libc.dlsym(libc.dlopen(text(library), NOW_AND_GLOBAL), text(symbol)) : number;
}

function right(what: string, result: number): void {
  if (result !== 0) throw new Error(`${what} failed with ${result}`);
}

const word = new Int32Array(new ArrayBuffer(64));
function number(what: string, call: (out: Int32Array) => number): number {
  right(what, call(word));
  return word[0] as number;
}

function fill(bytes: Uint8Array, seed: number): Uint8Array {
  for (let i = 0; i < bytes.length; i++) bytes[i] = seed + i * 7;
  return bytes;
}

if (order === "first") number("MPI_Init_thread", (out) => mpi.MPI_Init_thread(null, null, THREAD_MULTIPLE, out));

const launched = Number(process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK);
const role = launched % 2 === 0 ? "producer" : "consumer";
const channel = await Channel.open(`pair ${launched >> 1}`, { role, transport: "mpi" });

if (number("MPI_Initialized", (out) => mpi.MPI_Initialized(out)) !== 1) throw new Error("MPI was not initialised");
const level = number("MPI_Query_thread", (out) => mpi.MPI_Query_thread(out));
if (level !== THREAD_MULTIPLE) throw new Error(`MPI was initialised with level ${level}`);
const world = handle("ompi_mpi_comm_world", 0x44000000);
const byte = handle("ompi_mpi_byte", 0x4c00010d);
const own = new BigInt64Array(new ArrayBuffer(8));
right("MPI_Comm_dup", mpi.MPI_Comm_dup(world, own));
const comm = open ? Number(own[0]) : new Int32Array(own.buffer)[0];
const rank = number("MPI_Comm_rank", (out) => mpi.MPI_Comm_rank(comm as never, out));
const size = number("MPI_Comm_size", (out) => mpi.MPI_Comm_size(comm as never, out));
const [to, from] = [(rank + 1) % size, (rank + size - 1) % size];
const status = new Uint8Array(new ArrayBuffer(128));

for (let i = 0; i < EXCHANGES; i++) {
  const frame = fill(new Uint8Array(i % 50 === 7 ? LARGE : i % 3 === 0 ? 2000 : i % 100), i);
  if (channel.role === "producer") {
    await channel.send(frame);
  } else {
    using got = await channel.recv();
    if (Buffer.compare(got.bytes, frame) !== 0) throw new Error(`frame ${i} is another one`);
  }
  const length = i % 50 === 3 ? LARGE : i % 2 === 0 ? 5000 : 8;
  const [sent, received] = [fill(new Uint8Array(length), i * 64 + rank), new Uint8Array(length)];
  // biome-ignore format: two arguments of MPI in one line
  right("MPI_Sendrecv", mpi.MPI_Sendrecv(sent, length, byte, to, 5, received, length, byte, from, 5, comm as never, status));
  if (Buffer.compare(received, fill(sent, i * 64 + from)) !== 0) throw new Error(`exchange ${i} is another one`);
}

right("MPI_Comm_free", mpi.MPI_Comm_free(own));
if (channel.role === "producer") await channel.flush();
await channel.close();
// Who initialises it ends it.
if (order === "first") right("MPI_Finalize", mpi.MPI_Finalize());
console.log(`rank ${rank} of ${size}: all is right`);
