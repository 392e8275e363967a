/** docs/examples/wave.ts: its picture, made by one process and by four, and its page in a browser. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32, inflateSync } from "node:zlib";
import { PATIENT, privateDirectory } from "../channel/support.ts";
import { device, validationIsSilent, vulkan } from "../gpu/support.ts";
import { Browser, chromium } from "./browser.ts";

privateDirectory();

const ROOT = join(import.meta.dir, "../..");
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "wave-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function start(...args: (string | number)[]) {
  return Bun.spawn([process.execPath, "docs/examples/wave.ts", ...args.map(String)], {
    cwd: ROOT,
    env: { ...process.env }, // with what was set in this process
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function paint(png: string, ...args: (string | number)[]): Promise<string> {
  await using child = start("--png", join(folder, png), ...args);
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  expect({ code: child.exitCode, err }).toEqual({ code: 0, err: "" });
  return out;
}

/** The lines of a PNG with three bytes a pixel and no filters, the form that the example writes. */
function decode(png: string): { side: number; lines: Buffer } {
  const file = readFileSync(join(folder, png));
  expect(file.subarray(0, 8).toString("latin1")).toBe("\x89PNG\r\n\x1a\n");
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < file.length; ) {
    const length = file.readUInt32BE(at);
    const content = file.subarray(at + 8, at + 8 + length);
    expect(file.readUInt32BE(at + 8 + length)).toBe(crc32(file.subarray(at + 4, at + 8 + length)));
    chunks.set(file.toString("latin1", at + 4, at + 8), content);
    at += 12 + length;
  }
  expect([...chunks.keys()]).toEqual(["IHDR", "IDAT", "IEND"]);
  const header = chunks.get("IHDR")!;
  const side = header.readUInt32BE(0);
  expect([header.readUInt32BE(4), ...header.subarray(8)]).toEqual([side, 8, 2, 0, 0, 0]);
  const lines = inflateSync(chunks.get("IDAT")!);
  expect(lines).toHaveLength(side * (1 + 3 * side));
  return { side, lines };
}

const BACKENDS = [
  { backend: "cpu", there: true, size: 256 },
  { backend: "vulkan", there: vulkan, size: 128 },
] as const;

for (const { backend, there, size } of BACKENDS) {
  test.skipIf(!there)(
    `one process and four paint the same picture on ${backend}`,
    async () => {
      const args = ["--backend", backend, "--device", device, "--size", size, "--steps", 200];
      expect(await paint("one.png", ...args)).toMatch(
        new RegExp(`^200 steps of ${size} x ${size} cells by 1 process on ${backend}: \\d+ million cells/s; `),
      );
      expect(await paint("four.png", ...args, "--processes", 4)).toContain("by 4 processes");
      const { side, lines } = decode("one.png");
      expect(side).toBe(size);
      expect(new Set(lines).size).toBeGreaterThan(50);
      expect(Buffer.compare(decode("four.png").lines, lines)).toBe(0);
    },
    PATIENT,
  );
}

test("calm water stays calm", async () => {
  await paint("calm.png", "--backend", "cpu", "--size", 64, "--steps", 20, "--calm");
  const { side, lines } = decode("calm.png");
  const colours = new Set<string>();
  for (let y = 0; y < side; y++) {
    const line = lines.subarray(y * (1 + 3 * side) + 1, (y + 1) * (1 + 3 * side));
    for (let x = 0; x < side; x++) colours.add(line.subarray(3 * x, 3 * x + 3).toString("hex"));
  }
  expect(colours.size).toBe(2); // of the water and of the wall
});

test("invalid options are refused with an error", async () => {
  for (const [option, value] of [
    ["--processes", 0],
    ["--size", 30],
    ["--steps", 0],
  ] as const) {
    await using child = start(option, value);
    const [err] = await Promise.all([child.stderr.text(), child.exited]);
    expect(child.exitCode).toBe(2);
    expect(err).toStartWith(`${option} ${value}: `);
  }
});

describe.skipIf(!chromium)("the page", () => {
  test(
    "shows the pool, and a click drops a stone into it",
    async () => {
      await using browser = await Browser.open();
      await using example = start(
        ...["--watch", "--calm", "--backend", "cpu", "--size", 256, "--processes", 2],
        ...["--png", join(folder, "watched.png")],
      );
      const url = await urlOf(example.stdout);
      await browser.goTo(url);
      await browser.until("return document.body.dataset.frames > 3");
      expect(await browser.run("return document.getElementById('state').textContent")).toMatch(
        /^cpu, 2 processes, step \d+, \d+ million cells\/s$/,
      );
      const colours = `
        const canvas = document.getElementById("pool");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size;`;
      expect(await browser.run(colours)).toBe(2);
      await browser.click("#pool", 100, 100);
      await browser.until(colours.replace("return", "return 50 <"));
      const shot = process.env.LAVA_FLOW_SCREENSHOT;
      if (shot) await Bun.write(shot, await browser.screenshot());
      // Invalid requests drop no stone and do not end the server.
      const socket = new WebSocket(`${url.replace("http", "ws")}live`);
      await new Promise((resolve) => socket.addEventListener("open", resolve));
      for (const text of ["{", '{"x":2,"y":0}', '{"x":"a"}', "null", "x".repeat(1000)]) socket.send(text);
      const frames = Number(await browser.run("return document.body.dataset.frames"));
      await browser.until(`return document.body.dataset.frames > ${frames + 3}`);
      socket.close();
      expect((await fetch(`${url}live`)).status).toBe(400);
      expect((await fetch(`${url}other`)).status).toBe(404);
      example.kill("SIGINT");
      await example.exited;
      expect({ code: example.exitCode, err: await example.stderr.text() }).toEqual({ code: 0, err: "" });
      expect(decode("watched.png").side).toBe(256);
      await browser.until("return document.getElementById('state').textContent === 'it has ended'");
    },
    PATIENT,
  );
});

/** The address that the example prints. */
async function urlOf(output: ReadableStream<Uint8Array>): Promise<string> {
  const reader = output.getReader();
  const decoder = new TextDecoder();
  let said = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`it said no address: ${said}`);
    said += decoder.decode(value, { stream: true });
    const url = /watch it at (\S+),/.exec(said)?.[1];
    if (!url) continue;
    reader.releaseLock();
    return url;
  }
}

validationIsSilent();
