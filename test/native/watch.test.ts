/** A descriptor in Bun's event loop: its events, and none after close. */
import { dlopen, FFIType } from "bun:ffi";
import { describe, expect, test } from "bun:test";
import { closeSync, fstatSync, readFileSync, writeSync } from "node:fs";
import { Watch } from "../../src/native/watch.ts";
import { onLinux } from "../requires.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;

function libcPath(): string {
  return /\S+\/(libc\.so\.6|libc-[\d.]+\.so|ld-musl-\S+)$/m.exec(readFileSync("/proc/self/maps", "utf8"))![0];
}

/** The two ends of a socket pair. */
function socketPair(): [number, number] {
  const { symbols } = dlopen(libcPath(), {
    socketpair: { args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
  });
  const pair = new Int32Array(new ArrayBuffer(8));
  expect(symbols.socketpair(AF_UNIX, SOCK_STREAM, 0, pair)).toBe(0);
  return [pair[0]!, pair[1]!];
}

/** Records the events of a watch. */
function recorder() {
  const heard: string[] = [];
  let tell = Promise.withResolvers<void>();
  const hear = (what: string) => () => {
    heard.push(what);
    tell.resolve();
    tell = Promise.withResolvers();
  };
  return { heard, events: { onReadable: hear("readable"), onEnd: hear("end") }, next: () => tell.promise };
}

describe.skipIf(!onLinux())("a watched descriptor", () => {
  test("calls onReadable for each arrival, and onEnd at the end", async () => {
    const [mine, theirs] = socketPair();
    const { heard, events, next } = recorder();
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

  test("that is no socket calls onEnd once, when it becomes readable", async () => {
    for (const early of [true, false]) {
      const libc = dlopen(libcPath(), { pipe: { args: [FFIType.ptr], returns: FFIType.i32 } }).symbols;
      const ends = new Int32Array(new ArrayBuffer(8));
      expect(libc.pipe(ends)).toBe(0);
      const [mine, theirs] = ends as unknown as [number, number];
      const { heard, events, next } = recorder();
      const told = next();
      if (early) writeSync(theirs, "x");
      const watch = await Watch.open(mine, events);
      watch.ref();
      if (!early) writeSync(theirs, "x");
      await told;
      expect(() => fstatSync(mine)).toThrow("EBADF"); // the watch has closed it
      expect(heard).toEqual(["end"]);
      watch.close();
      closeSync(theirs);
    }
  });

  test("closes with its watch, and calls nothing after that", async () => {
    const [mine, theirs] = socketPair();
    const [control, other] = socketPair();
    const { heard, events } = recorder();
    const { events: controlEvents, next } = recorder();
    const watch = await Watch.open(mine, events);
    const controlWatch = await Watch.open(control, controlEvents);
    controlWatch.ref();
    // The loop has not read these bytes when the watch closes. Three later events of another watch prove that it turned.
    writeSync(theirs, "x");
    watch.close();
    for (let round = 0; round < 3; round++) {
      const told = next();
      writeSync(other, "x");
      await told;
    }
    expect(heard).toEqual([]);
    expect(() => fstatSync(mine)).toThrow("EBADF");
    closeSync(theirs);
    controlWatch.close();
    closeSync(other);
  });
});
