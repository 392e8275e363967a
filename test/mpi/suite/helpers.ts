import { afterAll } from "bun:test";
import { Board } from "../board.ts";

/** The board of a suite that ../suites.ts has started as rank 0, once all other ranks have come to it. */
export async function helpers(): Promise<Board> {
  const { LAVA_TEST_DIRECTORY, LAVA_TEST_HELPERS } = process.env as Record<string, string>;
  const board = new Board(LAVA_TEST_DIRECTORY!);
  await board.ranks(Number(LAVA_TEST_HELPERS));
  // Ranks wait for one another at their end, so none waits for this one's.
  afterAll(() => board.dismiss());
  return board;
}
