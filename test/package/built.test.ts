/** What is up to date is not built again, and what is not is. */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { upToDate, wasBuilt } from "../../scripts/built.ts";
import { ROOT, run } from "../../scripts/run.ts";

const name = `test-${process.pid}`;
const folder = join(ROOT, ".cache", name);
afterAll(() => {
  rmSync(folder, { recursive: true });
  rmSync(join(ROOT, ".cache/built", name));
});

test("a product is up to date until an input or an output is another", () => {
  const product = { name, inputs: [`.cache/${name}/in/*`], outputs: [`.cache/${name}/out/*`] };
  const write = (path: string, text: string) => {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), text);
    return upToDate(product);
  };
  expect(write("in/a.c", "1")).toBe(false);
  expect(write("out/a.so", "1")).toBe(false);
  wasBuilt(product);
  expect(upToDate(product)).toBe(true);
  expect(write("in/a.c", "1")).toBe(true); // the time of a file says nothing
  for (const [path, before, after] of [
    ["in/a.c", "1", "2"],
    ["out/a.so", "1", "broken"],
  ] as const) {
    expect(write(path, after)).toBe(false);
    expect(write(path, before)).toBe(true);
  }
  expect(write("in/b.c", "")).toBe(false);
  rmSync(join(folder, "in/b.c"));
  rmSync(join(folder, "out/a.so"));
  expect(upToDate(product)).toBe(false);
});

test("a package that is built is packed without asking the compilers", async () => {
  const prepare = [process.execPath, "scripts/prepare.ts"];
  expect(await run(prepare)).toEqual({ ok: true, output: "" });
  // Zig's launcher asks for this folder before anything else.
  const env = {
    ...process.env,
    ZIG_LOCAL_CACHE_DIR: "/dev/null/none",
    ZIG_GLOBAL_CACHE_DIR: "/dev/null/none",
    TMPDIR: "/dev/null",
  };
  expect(await run(prepare, { env })).toEqual({ ok: true, output: "" });
}, 300_000);
