/** The wait queue and busy-polling, without a peer. */
import { expect, test } from "bun:test";
import { FrameIterator } from "../../src/channel/frame-iterator.ts";
import { haveSeveral } from "../../src/channel/transport/processors.ts";
import type { EventFd } from "../../src/channel/wait/event.ts";
import { WaitQueue } from "../../src/channel/wait/wait-queue.ts";
import { LavaFlowError } from "../../src/errors.ts";
import { eventually, failure } from "./support.ts";

const queue = () => new WaitQueue("test", 0, "");
const never = () => false;

test("an attempt that wakes its own queue runs once, and the waiters behind it keep their order", async () => {
  const waiting = queue();
  const done: string[] = [];
  let open = false;
  const wait = (name: string) =>
    waiting.wait(
      () => {
        if (!open) return null;
        done.push(name);
        waiting.wake();
        return name;
      },
      never,
      name,
      undefined,
    );
  const all = ["a", "b", "c"].map(wait);
  open = true;
  waiting.wake();
  expect(await Promise.all(all)).toEqual(["a", "b", "c"]);
  expect(done).toEqual(["a", "b", "c"]);
  expect(waiting.idle).toBe(true);
});

test("an attempt that finds nothing and wakes its queue is repeated", async () => {
  const waiting = queue();
  let polls = 0;
  const found = waiting.wait(
    () => {
      if (++polls === 3) return "found";
      waiting.wake();
      return null;
    },
    never,
    "something",
    undefined,
  );
  expect(await found).toBe("found");
  expect(polls).toBe(3);
  expect(waiting.idle).toBe(true);
});

const busy = (ms: number) => {
  for (const end = performance.now() + ms; performance.now() < end; );
};

test("a wait whose time is up tries once more, behind other waiters too", async () => {
  const waiting = queue();
  let there = false;
  const attempt = () => (there ? true : null);
  const all = Array.from({ length: 500 }, () => waiting.wait(attempt, never, "nothing", { timeoutMs: 5 }));
  there = true;
  busy(50);
  expect(await Promise.all(all)).toEqual(all.map(() => true));
});

test("a waiter that times out behind others is rejected, and the others keep waiting", async () => {
  const waiting = queue();
  let there = false;
  const attempt = () => (there ? true : null);
  const first = waiting.wait(attempt, never, "nothing", undefined);
  const why = () => "a reason";
  const error = await failure("TIMEOUT", () => waiting.wait(attempt, never, "nothing", { timeoutMs: 1 }, why));
  expect(error.message).toContain('nothing on "test" within 1 ms: a reason');
  there = true;
  waiting.wake();
  expect(await first).toBe(true);
  expect(waiting.idle).toBe(true);
});

test("waiters that are aborted in the middle, at the front and at the end leave the others in order", async () => {
  const waiting = queue();
  let open = false;
  const order: number[] = [];
  const controllers = Array.from({ length: 7 }, () => new AbortController());
  const all = controllers.map(({ signal }, i) =>
    waiting.wait(
      () => {
        if (open) order.push(i);
        return open || null;
      },
      never,
      "nothing",
      { signal },
    ),
  );
  for (const i of [3, 0, 6]) controllers[i]!.abort();
  open = true;
  waiting.wake();
  const results = await Promise.allSettled(all);
  expect(results.map(({ status }) => status === "fulfilled")).toEqual([false, true, true, false, true, true, false]);
  expect(order).toEqual([1, 2, 4, 5]);
});

test("many waiters that succeed in a row let the event loop run in between", async () => {
  const waiting = queue();
  let open = false;
  let done = 0;
  const attempt = () => {
    if (!open) return null;
    busy(0.1);
    return ++done;
  };
  const all = Array.from({ length: 60 }, () => waiting.wait(attempt, never, "nothing", undefined));
  open = true;
  let doneByThen = 0;
  setImmediate(() => (doneByThen = done));
  waiting.wake();
  await Promise.all(all);
  expect(doneByThen).toBeGreaterThan(0);
  expect(doneByThen).toBeLessThan(all.length);
});

/** A queue whose peer answers `gapMs` after each wait began, and counts of its polls and sleeps. */
function watched() {
  const waiting = queue();
  const seen = { polls: 0, sleeps: 0 };
  const event = { ref() {}, unref() {} } as unknown as EventFd;
  let there = false;
  const poll = () => {
    seen.polls++;
    return there;
  };
  waiting.attach(event, poll, () => {});
  const arm = () => {
    seen.sleeps++;
    return false;
  };
  const wait = () =>
    waiting.wait(
      () => {
        if (!there) return null;
        there = false;
        return true;
      },
      arm,
      "nothing",
      undefined,
    );
  const come = (wakes: boolean) => {
    there = true;
    if (wakes) waiting.wake();
  };
  return { seen, wait, come };
}

/** A gap that no window bridges: what an end does next depends on how long it has waited. */
const longGap = () => new Promise<void>((resolve) => setTimeout(resolve, 5));

test("after a long wait the next wait parks without polling", async () => {
  const { seen, wait, come } = watched();
  for (let i = 0; i < 3; i++) {
    const waits = wait();
    await longGap();
    expect(seen).toEqual({ polls: 0, sleeps: i + 1 });
    come(true);
    await waits;
  }
});

test("after a short wait the next wait polls for a limited time before it parks", async () => {
  const { seen, wait, come } = watched();
  // A turn of the loop that other work made long suppresses polling for some milliseconds: waits go on until one polls.
  while (seen.polls === 0) {
    const short = wait();
    come(true);
    await short;
    const { sleeps } = seen;
    const waits = wait();
    await eventually(() => seen.sleeps > sleeps, "it sleeps");
    const { polls } = seen;
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    expect(seen.polls).toBe(polls);
    come(true);
    await waits;
  }
  expect(seen.sleeps).toBeGreaterThan(1);
});

test("other microtasks and ticks run before a waiter polls", async () => {
  const [a, b] = [watched(), watched()];
  for (const each of [a, b]) {
    const waits = each.wait();
    each.come(true);
    await waits;
  }
  const both = [a.wait(), b.wait()];
  let ran = false;
  queueMicrotask(() => {
    ran = a.seen.polls + b.seen.polls === 0;
    b.come(true);
  });
  await both[1];
  expect(ran).toBe(true);
  a.come(true);
  await both[0];
});

test("two sides share one processor only if both lists name it alone", () => {
  expect(haveSeveral("0-1", "0-1")).toBe(true);
  expect(haveSeveral("0,4", undefined)).toBe(true);
  expect(haveSeveral("3", "3")).toBe(false);
  expect(haveSeveral("3", "4")).toBe(true);
  expect(haveSeveral("3", undefined)).toBe(false);
  for (const odd of ["", "x", 7, null, "0-", "1".repeat(5000)]) expect(haveSeveral("3", odd)).toBe(false);
});

test("the error of a wait without a captured call shows the line that opened the channel", async () => {
  const waiting = new WaitQueue("test", 0, "/app/main.ts:12:7");
  const limits = { timeoutMs: 1 };
  let second: Promise<unknown> | undefined;
  const first = waiting.wait(
    () => {
      // The queue is not asleep: nothing is captured.
      second ??= failure("TIMEOUT", () => waiting.wait(() => null, never, "second", limits));
      return null;
    },
    never,
    "first",
    limits,
  );
  const told = await failure("TIMEOUT", () => first);
  expect(told.stack).toMatch(/^LavaFlowError: TIMEOUT: first .*\n {4}at .*wait\.test\.ts:\d+:\d+\)/);
  const { stack } = (await second) as Error;
  expect(stack).toMatch(/^LavaFlowError: TIMEOUT: second .*\n {4}at Channel\.open \(\/app\/main\.ts:12:7\)\n/);
});

test("the error of a loop shows the loop's line, also without a captured wait", async () => {
  const waiting = queue();
  let broken = false;
  const receive = () => {
    if (broken) throw new LavaFlowError("PEER_DIED", "the producer died");
    return null;
  };
  const line = Number(/wait\.test\.ts:(\d+)/.exec(new Error().stack as string)?.[1]) + 1;
  const loop = new FrameIterator(
    waiting,
    receive,
    never,
    () => false,
    () => {},
  );
  let next: Promise<LavaFlowError> | undefined;
  const first = waiting.wait(
    () => {
      // The queue is not asleep.
      next ??= failure("PEER_DIED", () => loop.next());
      return broken ? true : null;
    },
    never,
    "first",
    undefined,
  );
  broken = true;
  waiting.wake();
  await first;
  expect((await next)?.stack).toMatch(new RegExp(`^.*\\n {4}at .*wait\\.test\\.ts:${line}:`));
});

test("twenty thousand waiters are each asked at most three times", async () => {
  const waiting = queue();
  const limits = { timeoutMs: Number.POSITIVE_INFINITY };
  const count = 20_000;
  let open = false;
  let asked = 0;
  const attempt = () => {
    asked++;
    return open || null;
  };
  const all = Array.from({ length: count }, () => waiting.wait(attempt, never, "nothing", limits));
  open = true;
  waiting.wake();
  await Promise.all(all);
  // If a wake asked those behind the first one that waits again, there would be 200 million.
  expect(asked).toBeGreaterThanOrEqual(count);
  expect(asked).toBeLessThanOrEqual(3 * count);
});

test("the error of a first attempt shows the call that waits, not the line that opened the channel", async () => {
  const waiting = new WaitQueue("test", 0, "/elsewhere/opened.ts:1:1");
  const attempt = () => {
    throw new LavaFlowError("PEER_DIED", "the peer died");
  };
  const call = { stack: "Error\n    at loop (/elsewhere/loop.ts:7:7)" };
  const error = await failure("PEER_DIED", () => waiting.wait(attempt, never, "frame", undefined, () => "", call));
  expect(error.stack).toMatch(/^LavaFlowError: .*\n\s+at loop \(\/elsewhere\/loop\.ts:7:7\)/);
});
