#!/usr/bin/env bun
/** The command line: selects the command and prints its failure. */
import { version } from "../../package.json" with { type: "json" };
import { type Command, print, ReaderGone, UsageError } from "./command.ts";
import { demo } from "./demo.ts";
import { demoPeer } from "./demo-peer.ts";
import { doctor } from "./doctor.ts";
import { failure } from "./format.ts";
import { recv } from "./recv.ts";
import { send } from "./send.ts";

const COMMANDS: Record<string, Command> = { demo, send, recv, doctor };

const USAGE = `lava-flow moves data between processes without copying it.

Usage: lava-flow COMMAND [ARGUMENTS]

  demo               sends a file and a million messages to a second process,
                     verifies them, and shows rate and latency
  send NAME [FILE]   sends a file or standard input over the channel NAME
  recv NAME [FILE]   receives the channel NAME into a file or standard output
  doctor             shows the features of this machine, and remedies for the
                     missing ones

  --help, --version  also: lava-flow COMMAND --help`;

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === "--help" || name === "-h" || name === "help") return show(USAGE);
  if (name === "--version" || name === "-v") return show(version);
  if (name === undefined) return misuse("no command given", USAGE);
  // The demo's second process is not in the usage.
  const command = name === "demo-peer" ? demoPeer : Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) return misuse(`unknown command ${JSON.stringify(name)}`, USAGE);
  if (rest.includes("--help") || rest.includes("-h")) return show(command.usage);
  try {
    return await command.run(rest);
  } catch (error) {
    if (error instanceof UsageError) return misuse(error.message, command.usage);
    throw error;
  }
}

function show(text: string): number {
  print(text);
  return 0;
}

function misuse(what: string, usage: string): number {
  console.error(`lava-flow: ${what}\n\n${usage}`);
  return 2;
}

const code = await main(process.argv.slice(2)).catch((error: unknown) => {
  if (error instanceof ReaderGone) return 0;
  console.error(failure(error));
  return 1;
});
process.exit(code);
