import { afterAll } from "bun:test";
import { Coordinator } from "../coordinator.ts";

/** The coordinator of a suite that ../suites.ts has started as rank 0, once all other ranks have come to it. */
export async function helpers(): Promise<Coordinator> {
  const { LAVA_TEST_DIRECTORY, LAVA_TEST_HELPERS } = process.env as Record<string, string>;
  const coordinator = new Coordinator(LAVA_TEST_DIRECTORY!);
  await coordinator.ranks(Number(LAVA_TEST_HELPERS));
  // Ranks wait for one another at their end, so none waits for this one's.
  afterAll(() => coordinator.dismiss());
  return coordinator;
}
