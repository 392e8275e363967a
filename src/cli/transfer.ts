/** Shared by `send` and `recv`: arguments, the channel, and the report on stderr. */
import { isatty } from "node:tty";
import { Channel, type Route } from "../index.ts";
import { interruptible, parse, RETRY_MS, UsageError } from "./command.ts";
import { count, decimalBytes, duration, row, threeDigits } from "./format.ts";

export const OPTIONS_USAGE = `  --timeout SECONDS  limit of the wait for the peer; default 30, 0 for no limit
  --verbose          shows route and totals also if stderr is not a terminal`;

/** Waits of a pipe have no limit but the peer's life. */
export const FOR_EVER = { timeoutMs: Number.POSITIVE_INFINITY };

export interface Transfer {
  name: string;
  file: string | undefined;
  timeoutMs: number;
  verbose: boolean;
}

export function transferOf(args: string[]): Transfer {
  const options = { timeout: { type: "string" }, verbose: { type: "boolean" } } as const;
  const { values, positionals } = parse(args, options, [1, 2]);
  const seconds = Number(values.timeout ?? "30");
  if (values.timeout?.trim() === "" || !(seconds >= 0))
    throw new UsageError("--timeout takes seconds, or 0 for no limit");
  return {
    name: positionals[0] as string,
    file: positionals[1],
    timeoutMs: seconds === 0 ? Number.POSITIVE_INFINITY : seconds * 1000,
    verbose: values.verbose ?? false,
  };
}

export async function openChannel<Role extends "producer" | "consumer">(transfer: Transfer, role: Role) {
  const { name, timeoutMs, verbose } = transfer;
  const channel = await interruptible((signal) => Channel.open<Role>(name, { role, timeoutMs, signal }));
  if (verbose) console.error(routeRows(channel.route));
  else if (isatty(2)) console.error(`${name}: ${channel.route.transport} ${peerOf(channel.route)}`);
  return channel;
}

/** Prints frames, bytes and rate since `startNs`. */
export function reportTotals(transfer: Transfer, frames: number, bytes: number, startNs: number): void {
  if (!transfer.verbose && !isatty(2)) return;
  const elapsed = Bun.nanoseconds() - startNs;
  const what = `${decimalBytes(bytes)} in ${count(frames)} frames`;
  const text = `${what}, ${duration(elapsed)}, ${threeDigits(bytes / elapsed)} GB/s`;
  console.error(transfer.verbose ? row("moved", text) : `${transfer.name}: ${text}`);
}

/** The route as rows, with every reason. */
export function routeRows(route: Route): string {
  const { transport, reason, scope, rejected } = route;
  const why = reason.includes(scope.reason) ? "" : `: ${scope.reason}`;
  const rows = [
    row("route", `${transport} ${peerOf(route)}`, reason),
    row("scope", `${scope.scope}, decided by ${scope.strategy}${why}`),
  ];
  for (const other of rejected) rows.push(row(`not ${other.transport}`, other.reason));
  return rows.join("\n");
}

function peerOf({ peer }: Route): string {
  return `to process ${peer.pid ?? "?"} on ${peer.hostname || "an unnamed host"}`;
}

/** Repeats `call` while the descriptor is not ready (EAGAIN). */
export async function whenReady(call: () => number): Promise<number> {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      await Bun.sleep(RETRY_MS);
    }
  }
}
