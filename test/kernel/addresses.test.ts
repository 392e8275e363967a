/** Numbers and names of kernels: removed kernels leave no entries. */
import { expect, test } from "bun:test";
import { Addresses } from "../../src/kernel/base/addresses.ts";
import { Fifo } from "../../src/native/fifo.ts";
import { random } from "../channel/support.ts";

test("a number is given once, and has no name after its kernel was removed", () => {
  const addresses = new Addresses();
  const first = addresses.add("k");
  expect([first, addresses.nameOf(first), addresses.numberOf("k")]).toEqual([1, "k", 1]);
  addresses.remove(first);
  expect([addresses.nameOf(first), addresses.numberOf("k")]).toEqual(["#1", undefined]);
  expect(addresses.add("k")).toBe(2);
  // A second removal does not remove the name's new number.
  addresses.remove(first);
  expect(addresses.numberOf("k")).toBe(2);
  expect(addresses.nameOf(0)).toBe("host");
});

test("the newest 4,096 kernels of other runtimes keep their numbers", () => {
  const addresses = new Addresses();
  const kernel = addresses.add("k");
  const first = addresses.addRemote("a/0");
  expect(addresses.addRemote("a/0")).toBe(first);
  for (let i = 1; i < 100_000; i++) addresses.addRemote(`a/${i}`);
  expect(addresses.nameOf(first)).toBe(`#${first}`);
  expect(addresses.nameOf(addresses.addRemote("a/99999"))).toBe("a/99999");
  let remembered = 0;
  for (let i = 0; i < 100_000; i++) if (addresses.numberOf(`a/${i}`) !== undefined) remembered++;
  expect(remembered).toBe(4096);
  expect(addresses.nameOf(kernel)).toBe("k");
});

test("a Fifo keeps the order at every length", () => {
  const queue = new Fifo<number>();
  const plain: number[] = [];
  const next = random(11);
  for (let i = 0; i < 20_000; i++) {
    // The queue grows in the first half and shrinks in the second.
    if (next() < (i < 10_000 ? 0.6 : 0.4)) {
      queue.push(i);
      plain.push(i);
    } else {
      expect(queue.shift()).toBe(plain.shift());
    }
    expect(queue.length).toBe(plain.length);
  }
});
