/** Waits that their limits end. */
import { expect, test } from "bun:test";
import { getEventListeners } from "node:events";
import { limited } from "../../src/native/limits.ts";
import { rejectionOf } from "../memory/support.ts";

const never = () => new Promise<never>(() => {});
const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

test("settles as the promise does, and leaves no listener", async () => {
  const { signal } = new AbortController();
  const limits = { timeoutMs: 60_000, signal };
  expect(await limited("no value came", Promise.resolve(5), limits)).toBe(5);
  await expect(limited("no value came", Promise.reject(new Error("mine")), limits)).rejects.toThrow("mine");
  expect(listeners(signal)).toBe(0);
});

test("rejects by its time and by its signal", async () => {
  const late = await rejectionOf(limited("no value came", never(), { timeoutMs: 1 }));
  expect(late.message).toBe("TIMEOUT: no value came within 1 ms");
  const controller = new AbortController();
  const aborted = rejectionOf(limited("no value came", never(), { signal: controller.signal }));
  expect(listeners(controller.signal)).toBe(1);
  controller.abort("enough");
  expect(await aborted).toMatchObject({ code: "ABORTED", cause: "enough" });
  expect(listeners(controller.signal)).toBe(0);
  expect(await rejectionOf(limited("no value came", never(), { signal: controller.signal }))).toMatchObject({
    code: "ABORTED",
  });
});

test("a result after the end goes to `unwanted`, and an error after it is dropped", async () => {
  const value = Promise.withResolvers<number>();
  const error = Promise.withResolvers<number>();
  const unwanted: number[] = [];
  const take = (each: number) => void unwanted.push(each);
  await rejectionOf(limited("no value came", value.promise, { timeoutMs: 0 }, take));
  await rejectionOf(limited("no value came", error.promise, { timeoutMs: 0 }, take));
  value.resolve(7);
  error.reject(new Error("after the end"));
  await new Promise(setImmediate);
  expect(unwanted).toEqual([7]);
});

test("a result in the turn of the event loop in which the time is up is no TIMEOUT", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const waiting = limited("no value came", promise, { timeoutMs: 5 });
  setTimeout(() => resolve("there"), 5); // this timer runs after the limit's
  for (const end = performance.now() + 30; performance.now() < end; );
  expect(await waiting).toBe("there");
});
