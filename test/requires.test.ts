/** CI trusts LAVA_FLOW_REQUIRE to turn skips into failures. */
import { afterEach, expect, test } from "bun:test";
import { required, requires } from "./requires.ts";

const before = process.env.LAVA_FLOW_REQUIRE;
afterEach(() => {
  if (before === undefined) delete process.env.LAVA_FLOW_REQUIRE;
  else process.env.LAVA_FLOW_REQUIRE = before;
});

test("a list names features, blanks and empty items aside", () => {
  expect(required(" shm, wine,,")).toEqual(new Set(["shm", "wine"]));
  expect(required("")).toEqual(new Set());
});

test("a name that is no feature is an error that tells which there are", () => {
  expect(() => required("shm,hugepage")).toThrow(/"hugepage".*hugepages/);
});

test("what is there is there, required or not", () => {
  process.env.LAVA_FLOW_REQUIRE = "wine";
  expect(requires("wine", true, "unused")).toBe(true);
  expect(requires("numa", true, "unused")).toBe(true);
});

test("what is required and missing is an error with the reason", () => {
  process.env.LAVA_FLOW_REQUIRE = "wine,numa";
  expect(() => requires("numa", false, "no such library")).toThrow("numa: no such library");
});
