/** A descriptor in Bun's event loop: what is heard, and that nothing is heard after close. */
import { dlopen, FFIType } from "bun:ffi";
import { describe, expect, test } from "bun:test";
import { closeSync, fstatSync, readFileSync, writeSync } from "node:fs";
import { Watch } from "../../src/native/watch.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;

/** Two descriptors of one connection. */
function socketPair(): [number, number] {
  const libc = /\S+\/(libc\.so\.6|libc-[\d.]+\.so|ld-musl-\S+)$/m.exec(readFileSync("/proc/self/maps", "utf8"))![0];
  const { symbols } = dlopen(libc, {
    socketpair: { args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
  });
  const pair = new Int32Array(new ArrayBuffer(8));
  expect(symbols.socketpair(AF_UNIX, SOCK_STREAM, 0, pair)).toBe(0);
  return [pair[0]!, pair[1]!];
}

/** What a watch hears, one after the other. */
function ear() {
  const heard: string[] = [];
  let tell = Promise.withResolvers<void>();
  const hear = (what: string) => () => {
    heard.push(what);
    tell.resolve();
    tell = Promise.withResolvers();
  };
  return { heard, events: { onReadable: hear("readable"), onEnd: hear("end") }, next: () => tell.promise };
}

describe.if(process.platform === "linux")("a watched descriptor", () => {
  test("is heard each time that something comes, and when it ends", async () => {
    const [mine, theirs] = socketPair();
    const { heard, events, next } = ear();
    const watch = await Watch.open(mine, events);
    watch.ref();
    for (const count of [1, 2]) {
      const told = next();
      writeSync(theirs, "x");
      await told;
      expect(heard).toHaveLength(count);
    }
    const told = next();
    closeSync(theirs);
    await told;
    expect(heard).toEqual(["readable", "readable", "end"]);
    watch.unref();
    watch.close();
    watch.close();
  });

  test("closes with its watch, and is not heard any more", async () => {
    const [mine, theirs] = socketPair();
    const { heard, events } = ear();
    const watch = await Watch.open(mine, events);
    writeSync(theirs, "x");
    watch.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual([]);
    expect(() => fstatSync(mine)).toThrow("EBADF");
    closeSync(theirs);
  });
});
