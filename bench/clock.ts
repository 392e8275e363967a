/** CLOCK_MONOTONIC, which all processes share; JavaScript's clock starts with its own process. */
import { dlopen, FFIType } from "bun:ffi";

const CLOCK_MONOTONIC = process.platform === "darwin" ? 6 : 1;
const { clock_gettime } = dlopen(process.platform === "darwin" ? "libSystem.dylib" : "libc.so.6", {
  clock_gettime: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
}).symbols;
const time = new BigInt64Array(new ArrayBuffer(16));

/** Nanoseconds; whole numbers up to 104 days after the machine's start. */
export function monotonicNs(): number {
  if (clock_gettime(CLOCK_MONOTONIC, time) !== 0) throw new Error("clock_gettime failed");
  return Number(time[0]) * 1e9 + Number(time[1]);
}
