/** Takes as many milliseconds as its message says, and replies. */
import type { Handler } from "../../../src/kernel/index.ts";

const handler: Handler = ({ payload }) => {
  const end = performance.now() + new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
  while (performance.now() < end);
  return payload;
};

export default handler;
