/**
 * docs/kernels.md and the README's kernels: the programs run as printed, and every code block of the page is a
 * part of one of them.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { ROOT } from "../../scripts/run.ts";
import { privateDirectory } from "../channel/support.ts";
import { vulkan } from "../gpu/support.ts";
import { SOFTWARE_METAL, there } from "./metal-support.ts";

privateDirectory();

const EXAMPLES = join(ROOT, "docs/examples");

/** A text without the spaces at both ends of each line: a block may be indented otherwise than in its program. */
const plain = (text: string) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .join("\n")
    .trim();

async function run(program: string, args: string[] = [], variables: Record<string, string> = {}): Promise<string[]> {
  await using child = Bun.spawn([process.execPath, `docs/examples/${program}.ts`, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...variables },
    cwd: ROOT,
    timeout: 120_000,
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  expect({ code: child.exitCode, err }).toEqual({ code: 0, err: "" });
  return out.trim().split("\n");
}

describe("the README's kernels", () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const [, ...lines] = readFileSync(join(EXAMPLES, "relay.ts"), "utf8").split("\n");
  const output = /^```text\n([^`]*)```$/m.exec(readme.split(lines.join("\n"))[1] ?? "")?.[1]?.trim();

  test("are docs/examples/relay.ts, and print the README's output", async () => {
    expect(output).toEndWith("on vulkan");
    expect(await run("relay", ["cpu"])).toEqual([(output as string).replace("vulkan", "cpu")]);
  }, 120_000);

  test.skipIf(!vulkan)(
    "on a GPU: the same",
    async () => {
      expect(await run("relay", ["vulkan"])).toEqual([output as string]);
    },
    120_000,
  );
});

describe("docs/kernels.md", () => {
  test("every code block is a part of a program in docs/examples", () => {
    const files = [...new Glob("**/*.ts").scanSync(EXAMPLES)];
    const programs = files.map((name) => plain(readFileSync(join(EXAMPLES, name), "utf8")));
    const page = readFileSync(join(ROOT, "docs/kernels.md"), "utf8");
    const blocks = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => plain(code as string));
    expect(blocks.length).toBeGreaterThan(10);
    expect(blocks.filter((block) => !programs.some((program) => program.includes(block)))).toEqual([]);
  });

  const TOUR = [
    "the total is 42",
    "scaled: 0.5, 1, 1.5",
    "after 2 pushes its speed is 1, 0, 2",
    "the total is 45; the reply to 1001 is of type 7, from total",
    "too late: TIMEOUT",
    "at least 4 found room, and came back in order",
    "delivered: 400 hops round a row of 4, 100 of them by its last cell",
    "the reply came after the question, and before what was done next",
  ];
  const END = "at the end 0 messages were handled still, and 0 were not";

  test("the tour, on the processor", async () => {
    const refused = "a body with an error: no shader was compiled";
    expect(await run("kernels", ["cpu"])).toEqual(["on cpu", ...TOUR, refused, END]);
  }, 120_000);

  test.skipIf(!vulkan)(
    "the tour, on a GPU: the same",
    async () => {
      const refused = "a body with an error: SHADER_INVALID with the line";
      expect(await run("kernels", ["vulkan"])).toEqual(["on vulkan", ...TOUR, refused, END]);
    },
    120_000,
  );

  test.skipIf(!there)(
    "the tour, on a software Metal: the same",
    async () => {
      const refused = "a body with an error: SHADER_INVALID with the line";
      expect(await run("kernels", ["metal"], SOFTWARE_METAL)).toEqual(["on metal", ...TOUR, refused, END]);
    },
    120_000,
  );

  test("kernels of two processes", async () => {
    const status = [40, 2, 0].map((value) => `${value}: delivered`);
    expect(await run("kernels-processes")).toEqual([...status, "the other process says 42"]);
  }, 120_000);

  test("kernels with threads of their own", async () => {
    expect(await run("kernels-worker")).toEqual(["9592 primes below 100,000, counted by 4 threads"]);
  }, 120_000);

  describe.each(vulkan ? ["cpu", "vulkan"] : ["cpu"])("heat on a plate, by %s", (BACKEND) => {
    test("is the same in one process and in two", async () => {
      const alone = await run("heat", [], { BACKEND });
      const both = await Promise.all([0, 1].map((rank) => run("heat", [`${rank}`, "2"], { BACKEND })));
      expect(alone).toHaveLength(8);
      expect(both.map((lines) => lines.length)).toEqual([4, 4]);
      expect(both.flat().sort()).toEqual(alone.sort());
      // Temperatures fall with the distance from the hot side, and are symmetric in north and south.
      const warm = alone.map((line) => Number(line.split(" ")[2]));
      expect(warm[0]).toBeGreaterThan(warm[1] as number);
      expect(warm[0]).toBeCloseTo(warm[4] as number, 3);
    }, 120_000);
  });
});
