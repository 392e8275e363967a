/** Makes the file that a message names, and sends the message back. */
import { writeFileSync } from "node:fs";
import type { Handler } from "../../../src/kernel/index.ts";

const touch: Handler = ({ payload }) => {
  writeFileSync(new TextDecoder().decode(payload), "");
  return payload;
};

export default touch;
