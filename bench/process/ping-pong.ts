/**
 * A ping-pong of two processes: the first plays, the second answers, and half a round trip is one way. For the median the
 * clock is read once in BATCH round trips, since reading it for each would be measured too; for the tail it is read for each.
 */
import type { Consumer, Frame, Producer } from "../../src/index.ts";
import { type Figure, latencyOf } from "../measure.ts";

const BATCH = 100;

/** `take` waits for the next frame, and checks that it is the one of round `n`. Figures in the first process, in nanoseconds. */
export function pingPong(
  first: boolean,
  rounds: number,
  send: (n: number) => void,
  take: (n: number) => Frame,
): Figure | null {
  const [warm, single] = [rounds / 5, rounds / 10];
  if (first) {
    play(warm, BATCH);
    const means = play(rounds, BATCH);
    return latencyOf(means, play(single, 1));
  }
  for (const count of [warm, rounds, single]) answer(count);
  return null;

  /** The mean of each `batch` round trips. */
  function play(rounds: number, batch: number): number[] {
    const samples: number[] = [];
    for (let n = 0; n < rounds; ) {
      const start = Bun.nanoseconds();
      for (let i = 0; i < batch; i++, n++) {
        send(n);
        take(n).release();
      }
      samples.push((Bun.nanoseconds() - start) / batch / 2);
    }
    return samples;
  }

  function answer(rounds: number): void {
    for (let n = 0; n < rounds; n++) {
      // As with `using`: the answer goes first, then the frame.
      const frame = take(n);
      send(n);
      frame.release();
    }
  }
}

/** When all has been played. */
export async function closeBoth(to: Producer, from: Consumer): Promise<void> {
  await to.flush();
  await to.close();
  await from.close();
}
