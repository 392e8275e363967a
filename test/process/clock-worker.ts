/** Ticks a clock that other threads tick too. */
import { HybridLogicalClock } from "../../src/kernel/index.ts";

declare const self: Worker;

self.onmessage = ({ data: { memory, count } }: MessageEvent<{ memory: SharedArrayBuffer; count: number }>) => {
  const clock = new HybridLogicalClock({ nodeId: 3, memory });
  const stamps = new Float64Array(2 * count);
  for (let i = 0; i < count; i++) {
    const { physicalMicros, logical } = clock.tick();
    stamps[2 * i] = physicalMicros;
    stamps[2 * i + 1] = logical;
  }
  self.postMessage(stamps);
};
