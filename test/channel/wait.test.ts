/** Those who wait for something of a peer, without a peer. */
import { expect, test } from "bun:test";
import { WaitQueue } from "../../src/channel/wait.ts";

const queue = () => new WaitQueue("test", 0);
const never = () => false;

test("an attempt that wakes its own queue is made once, and those behind it in their order", async () => {
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

test("who finds nothing, and wakes the queue by looking, looks again", async () => {
  const waiting = queue();
  let looks = 0;
  const found = waiting.wait(
    () => {
      if (++looks === 3) return "found";
      waiting.wake();
      return null;
    },
    never,
    "something",
    undefined,
  );
  expect(await found).toBe("found");
  expect(looks).toBe(3);
  expect(waiting.idle).toBe(true);
});
