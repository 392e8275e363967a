/**
 * The tests rely on the silence of the validation layer. These tests prove that the layer reports misuse: a child process
 * makes wrong calls, and its messages go to another file.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { validationLayer } from "../../scripts/gpu.ts";
import { ProcessPeer } from "../channel/peers.ts";
import { PATIENT } from "../cli/cli.ts";
import { requires } from "../requires.ts";
import { faultLibrary } from "./fault.ts";
import { vulkan } from "./support.ts";

const library = await faultLibrary();
const folder = mkdtempSync(join(tmpdir(), "lava-flow-silence-"));
afterAll(() => rmSync(folder, { recursive: true }));

let runs = 0;

/** The layer's messages about a correct program whose Vulkan library has the fault. */
async function messages(faults: string): Promise<string[]> {
  const file = join(folder, String(runs++));
  const env = { LAVA_FAULT: faults, LAVA_FLOW_VULKAN: library.path as string, LAVA_FLOW_VALIDATION: file };
  await using peer = new ProcessPeer("faults/work", {}, { env });
  await peer.done;
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
}

const reason = library.path === null ? library.reason : "";
const usable =
  vulkan &&
  requires("zig", reason === "", reason) &&
  requires("validation", validationLayer(), "Vulkan's layer VK_LAYER_KHRONOS_validation is not installed");

describe.skipIf(!usable)("the validation layer", () => {
  test("is silent for a correct program", async () => expect(await messages("")).toEqual([]), PATIENT);

  test(
    "reports a wrong call",
    async () => expect((await messages("misuse")).join("\n")).toContain("VUID-VkBufferCreateInfo"),
    PATIENT,
  );

  test(
    "reports two writes without a barrier between them",
    async () => expect((await messages("hazard")).join("\n")).toContain("SYNC-HAZARD-WRITE-AFTER-WRITE"),
    PATIENT,
  );
});
