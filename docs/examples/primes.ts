/** Counts the primes from the first word of the payload up to the second. A module of a kernel: kernels-worker.ts. */
import type { Handler } from "lava-flow/kernel";

const countPrimes: Handler = ({ payload }) => {
  const [from = 0, to = 0] = new Uint32Array(payload.slice().buffer);
  let count = 0;
  for (let n = Math.max(2, from); n < to; n++) {
    let divisor = 2;
    while (divisor * divisor <= n && n % divisor !== 0) divisor++;
    if (divisor * divisor > n) count++;
  }
  return new Uint8Array(Uint32Array.of(count).buffer);
};

export default countPrimes;
