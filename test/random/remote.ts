/** An agent in a Worker or a process of its own: commands come as messages, answers go back with their numbers. */
import * as lava from "../../src/index.ts";
import { Agent, type Command } from "./agent.ts";

export interface Message {
  number: number;
  command: Command;
}

// The first warning would open it.
process.stderr.write("");
const agent = new Agent(lava);
const reply = (message: unknown) =>
  Bun.isMainThread ? void process.send?.(message) : (globalThis as unknown as Worker).postMessage(message);

async function obey({ number, command }: Message): Promise<void> {
  reply({ number, answer: await agent.run(command) });
}

if (Bun.isMainThread) {
  process.on("message", (message) => void obey(message as Message));
  process.on("disconnect", () => process.exit(0));
} else {
  (globalThis as unknown as Worker).onmessage = ({ data }) => void obey(data);
}
// What goes wrong outside of a call is the program's failure all the same.
process.on("warning", (warning) => {
  if ((warning as { code?: string }).code === "LAVA_FLOW_LEAK") reply({ number: -1, answer: warning.message });
});
process.on("unhandledRejection", (error) => reply({ number: -1, answer: String((error as Error)?.stack ?? error) }));
