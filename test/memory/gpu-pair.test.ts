/** Copies between two GPUs, in a child process: two in hardware, or one software device that is listed twice. */
import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listGpus } from "../../src/gpu/device.ts";
import { gpu, validationIsSilent, vulkan, why } from "../gpu/support.ts";
import { requires } from "../requires.ts";

const PEER = join(import.meta.dir, "../process/gpu-peer.ts");

const folder = mkdtempSync(join(tmpdir(), "lava-flow-pair-"));
afterAll(() => rmSync(folder, { recursive: true }));

const hardware = listGpus().filter(({ type, missing }) => type !== "cpu" && missing === null);
const manifest = process.env.VK_DRIVER_FILES;

/** An environment with two GPUs, and their indices; null where there is none. */
function twoGpus(): { env: Record<string, string>; devices: number[] } | null {
  if (hardware.length > 1) return { env: {}, devices: hardware.slice(0, 2).map(({ index }) => index) };
  if (gpu?.type !== "cpu" || !manifest || manifest.includes(":")) return null;
  // The loader opens a driver once for each manifest file.
  const copy = join(folder, "driver.json");
  copyFileSync(manifest, copy);
  return { env: { VK_DRIVER_FILES: `${manifest}:${copy}` }, devices: [0, 1] };
}

const two = vulkan ? twoGpus() : null;
const feature = !vulkan || gpu.type === "cpu" ? "vulkan" : "two-gpus";
const reason = vulkan ? "there is one GPU, and no driver file to name twice" : why;

describe.skipIf(!requires(feature, two !== null, reason))("two GPUs", () => {
  test("copy to each other, in the order of both", async () => {
    const { env, devices } = two!;
    await using child = Bun.spawn([process.execPath, PEER, "across", ...devices.map(String)], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...env },
      timeout: 120_000,
    });
    const told = await child.stdout.text();
    expect(await child.exited).toBe(0);
    expect(JSON.parse(told)).toEqual({ wrong: [], code: "CLOSED", late: "TIMEOUT", early: true, bytes: [1, 1, 1, 1] });
  }, 120_000);
});

validationIsSilent();
