/** A job whose ranks all wait for orders of the test that started it. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Coordinator } from "./coordinator.ts";
import { Hosts } from "./hosts.ts";
import type { Launcher } from "./launchers.ts";
import { RANK, Ranks } from "./ranks.ts";

/** Ranks with one environment, in the order of their numbers. */
export interface Group {
  ranks: number;
  env?: Record<string, string>;
  /** What lava-flow takes for a host: with no file and no kernel in common with those of other names. */
  host?: string;
}

export interface Setting {
  launcher: Launcher;
  groups: Group[];
  recovery?: boolean;
  /** The groups' hosts are real ones, with a network between them. */
  network?: boolean;
}

export interface Started {
  coordinator: Coordinator;
  ranks: Ranks;
  /** Where there is a network. */
  hosts?: Hosts;
}

/** The environment of a rank on a host of this name. */
export function onHost(directory: string, name: string): Record<string, string> {
  const runtime = join(directory, name);
  mkdirSync(runtime, { mode: 0o700, recursive: true });
  return { LAVA_FLOW_HOST_ID: name, LAVA_FLOW_RUNTIME_DIR: runtime };
}

/**
 * Does the work while the job runs, and ends the job, whatever is left of it. When the work fails, the error also says
 * what the ranks and the launcher printed.
 */
export async function withRanks(setting: Setting, work: (started: Started) => Promise<void>): Promise<void> {
  const { launcher, groups, recovery, network } = setting;
  await using stack = new AsyncDisposableStack();
  let hosts: Hosts | undefined;
  let coordinator!: Coordinator;
  const ranks = stack.use(
    new Ranks(launcher, (directory) => {
      if (network)
        hosts = stack.use(
          new Hosts(
            groups.map(({ host = "" }) => host),
            directory,
          ),
        );
      coordinator = stack.use(new Coordinator(directory));
      const command = [process.execPath, RANK, Coordinator.socket(directory)];
      const parts = groups.map(({ ranks: count, host, env }) => ({
        ranks: count,
        command,
        env: { ...(host && onHost(directory, host)), ...env },
      }));
      return { parts, recovery, across: hosts?.across, through: hosts?.through };
    }),
  );
  await ranks.explain(async () => {
    const count = groups.reduce((sum, group) => sum + group.ranks, 0);
    const tooEarly = ranks.ended.then((status) => Promise.reject(new Error(`the launcher ended with ${status}`)));
    await Promise.race([coordinator.ranks(count), tooEarly]);
    await work({ coordinator, ranks, hosts });
  });
}
