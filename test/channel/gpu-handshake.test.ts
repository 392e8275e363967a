/** A peer that says something else of its GPU than it should. */
import { describe, expect, test } from "bun:test";
import { MESSAGE } from "../../src/channel/wire/link.ts";
import { native } from "../../src/native/load.ts";
import { gpu, validationIsSilent, vulkan } from "../gpu/support.ts";
import { hello, say, tell } from "./raw.ts";
import { privateDirectory } from "./support.ts";

privateDirectory();

const pinned = { transport: "vulkan" } as const;

/** What a process on the same GPU says of it. */
const capability = {
  membarrier: native().lf_membarrier_viable() === 1,
  name: gpu?.name,
  deviceUuid: gpu?.deviceUuid,
  driverUuid: gpu?.driverUuid,
  timeline: false,
};
const greeting = say(MESSAGE.hello, { ...hello, requested: ["vulkan"], pin: "vulkan" });
const asConsumer = say(MESSAGE.hello, { ...hello, role: "consumer", requested: ["vulkan"], pin: "vulkan" });
const verdict = (of: unknown) => say(MESSAGE.verdict, { ok: true, reason: null, capabilities: { vulkan: of } });

describe.skipIf(!vulkan)("invalid capabilities of a GPU", () => {
  const wrong: [string, unknown][] = [
    ["none at all", undefined],
    ["null", null],
    ["a number", 5],
    ["an empty object", {}],
    ["a name alone", { name: "a GPU" }],
    ["a UUID that is too short", { ...capability, deviceUuid: capability.deviceUuid?.slice(1) }],
    ["a UUID that is none", { ...capability, driverUuid: "z".repeat(32) }],
    ["a UUID as a list", { ...capability, deviceUuid: [capability.deviceUuid] }],
    ["a timeline in words", { ...capability, timeline: "yes" }],
  ];
  for (const [what, of] of wrong) {
    test(`${what}: NO_ROUTE with the reason`, async () => {
      for (const role of ["consumer", "producer"] as const) {
        const first = role === "consumer" ? greeting : asConsumer;
        const { message } = await tell(role, [first, verdict(of)], "NO_ROUTE", pinned);
        expect(message).toContain("vulkan: the ");
      }
    });
  }

  test("control characters of a reason do not reach the message", async () => {
    const { message } = await tell("consumer", [greeting, verdict({ missing: "\u001b[2Jgone" })], "NO_ROUTE", pinned);
    expect(message).toContain("the producer has no GPU:  [2Jgone");
  });
});

describe.skipIf(!vulkan)("invalid parameters of a GPU channel", () => {
  const elsewhere = { ...capability, deviceUuid: "0f".repeat(16) };
  const accept = (parameters: unknown) => say(MESSAGE.accepted, { ok: true, reason: null, parameters });

  for (const [what, of, parameters] of [
    ["none", capability, undefined],
    ["null", capability, null],
    ["a word", capability, "direct"],
    ["an unknown path", capability, { path: "wormhole", why: "" }],
    ["no reason", capability, { path: "direct" }],
    ["a copy on the same GPU", capability, { path: "cuda", why: "" }],
    ["the same memory on two GPUs", elsewhere, { path: "direct", why: "" }],
  ] as const) {
    test(`${what}: CORRUPT_SEGMENT`, async () => {
      await tell("producer", [asConsumer, verdict(of), accept(parameters)], "CORRUPT_SEGMENT", pinned);
    });
  }
});

validationIsSilent();
