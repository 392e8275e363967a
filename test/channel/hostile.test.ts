/** A peer that overwrites every word it can reach: CORRUPT_SEGMENT or a valid frame, never a crash or an endless loop. */
import { describe, expect, test } from "bun:test";
import { validationIsSilent, vulkan } from "../gpu/support.ts";
import { ProcessPeer } from "./peers.ts";
import { count, hasProc, PATIENT, privateDirectory, seed, unique } from "./support.ts";

privateDirectory();

const rounds = count("LAVA_FLOW_FUZZ", 300);

for (const transport of ["shm", "vulkan"] as const) {
  describe.skipIf(!hasProc || (transport === "vulkan" && !vulkan))(`a hostile peer over ${transport}`, () => {
    for (const role of ["consumer", "producer"] as const) {
      test(
        `writes over the segment while this ${role} uses it, ${rounds} times`,
        async () => {
          const start = seed(`hostile to a ${role}`);
          const name = unique();
          const other = role === "consumer" ? "producer" : "consumer";
          await using attacker = new ProcessPeer("hostile/attack", { name, role: other, seed: start, transport });
          await using victim = new ProcessPeer("hostile/endure", { name, role, seed: start + 1, rounds, transport });
          const { ends } = await Promise.race([victim.heard(), attacker.done]);
          await victim.done;
          console.log(`${role}: ${JSON.stringify(ends)}`);
          // The others end because the attacker has spoilt its own side first; a quarter is usual.
          expect(ends.CORRUPT_SEGMENT).toBeGreaterThan(rounds / 10);
          const allowed = ["CORRUPT_SEGMENT", "CHANNEL_CLOSED", "PEER_DIED", "TIMEOUT", "nothing"];
          expect(Object.keys(ends).filter((end) => !allowed.includes(end))).toEqual([]);
        },
        PATIENT + rounds * 1000,
      );
    }
  });
}

validationIsSilent();
