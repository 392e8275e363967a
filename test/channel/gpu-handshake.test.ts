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
const ability = {
  membarrier: native().lf_membarrier_viable() === 1,
  name: gpu?.name,
  deviceUuid: gpu?.deviceUuid,
  driverUuid: gpu?.driverUuid,
  timeline: false,
};
const greeting = say(MESSAGE.hello, { ...hello, wishes: ["vulkan"], pin: "vulkan" });
const asConsumer = say(MESSAGE.hello, { ...hello, role: "consumer", wishes: ["vulkan"], pin: "vulkan" });
const verdict = (of: unknown) => say(MESSAGE.verdict, { ok: true, reason: null, abilities: { vulkan: of } });

describe.skipIf(!vulkan)("invalid capabilities of a GPU", () => {
  const wrong: [string, unknown][] = [
    ["none at all", undefined],
    ["null", null],
    ["a number", 5],
    ["an empty object", {}],
    ["a name alone", { name: "a GPU" }],
    ["a UUID that is too short", { ...ability, deviceUuid: ability.deviceUuid?.slice(1) }],
    ["a UUID that is none", { ...ability, driverUuid: "z".repeat(32) }],
    ["a UUID as a list", { ...ability, deviceUuid: [ability.deviceUuid] }],
    ["a timeline in words", { ...ability, timeline: "yes" }],
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
  const elsewhere = { ...ability, deviceUuid: "0f".repeat(16) };
  const accept = (terms: unknown) => say(MESSAGE.accepted, { ok: true, reason: null, terms });

  for (const [what, of, terms] of [
    ["none", ability, undefined],
    ["null", ability, null],
    ["a word", ability, "direct"],
    ["an unknown way", ability, { way: "wormhole", why: "" }],
    ["no reason", ability, { way: "direct" }],
    ["a copy on the same GPU", ability, { way: "cuda", why: "" }],
    ["the same memory on two GPUs", elsewhere, { way: "direct", why: "" }],
  ] as const) {
    test(`${what}: CORRUPT_SEGMENT`, async () => {
      await tell("producer", [asConsumer, verdict(of), accept(terms)], "CORRUPT_SEGMENT", pinned);
    });
  }
});

validationIsSilent();
