/** Functions that tests of kernels share. */

import type { Kernel } from "../../src/kernel/index.ts";
import { eventually } from "../channel/support.ts";

export function words(...values: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

/** The first word of a payload. */
export function word(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
}

/** An echo whose `outputCapacity` is 1 handles nothing more after this, until its reply, word 0, is received. */
export async function block(echo: Kernel): Promise<void> {
  await echo.send({ payload: words(0) });
  await eventually(() => echo.metrics.replies === 1, "the reply that blocks");
}
