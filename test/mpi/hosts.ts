/**
 * Several hosts on one machine: network namespaces with a hostname each, joined by a bridge in one more. They share the
 * kernel and the files, so what lava-flow tells hosts apart by is given to each in its environment.
 */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Across } from "./launchers.ts";

/** TEST-NET-1: no address of a real network (RFC 5737). */
export const NETWORK = "192.0.2.0/24";
export const address = (host: number) => `192.0.2.${host + 1}`;

function command(...line: string[]): { ok: boolean; output: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(line, { stdin: "ignore" });
  return { ok: exitCode === 0, output: `${line.join(" ")}: ${`${stdout}${stderr}`.trim() || `status ${exitCode}`}` };
}

function run(...line: string[]): void {
  const { ok, output } = command(...line);
  if (!ok) throw new Error(output);
}

/** Names no other process's namespaces have. */
let made = 0;
const newName = () => `lf-${process.pid}-${made++}`;

/** Why a test can't have namespaces, or can't have them delay and lose packets; null where it can. */
export function lacking(): { namespaces: string | null; netem: string | null } {
  const both = (reason: string) => ({ namespaces: reason, netem: reason });
  if (process.platform !== "linux") return both("not Linux");
  if (!Bun.which("ip") || !Bun.which("unshare")) return both("ip (iproute2) or unshare (util-linux) is missing");
  const name = newName();
  const added = command("ip", "netns", "add", name);
  if (!added.ok) return both(added.output);
  try {
    const entered = command("ip", "netns", "exec", name, "unshare", "--uts", "hostname", "probe");
    if (!entered.ok) return both(entered.output);
    const shaped = command("tc", "-n", name, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms");
    return { namespaces: null, netem: shaped.ok ? null : shaped.output };
  } finally {
    command("ip", "netns", "delete", name);
  }
}

export class Hosts implements Disposable {
  readonly across: Across;
  /** What the launcher runs under: it is on the first host. */
  readonly through: string[];
  readonly #name = newName();
  readonly #names: string[];

  /** Hosts of these names; `directory` is for what the launcher needs. */
  constructor(names: string[], directory: string) {
    this.#names = names;
    try {
      this.#join();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
    const agent = join(directory, "agent");
    // Called as ssh is: options, an address, and what that host's shell is to run.
    writeFileSync(
      agent,
      `#!/bin/sh
while [ "\${1#-}" != "$1" ]; do shift; done
host=$((\${1##*.} - 1)); shift
name=$(echo ${names.join(" ")} | cut -d " " -f $((host + 1)))
exec ip netns exec ${this.#name}-$host unshare --uts sh -c 'hostname "$0"; exec sh -c "$1"' "$name" "$*"
`,
    );
    chmodSync(agent, 0o700);
    this.across = { agent, addresses: names.map((_, host) => address(host)), network: NETWORK, interface: "eth0" };
    this.through = this.enter(0);
  }

  /** What a command runs under that is to run on this host. */
  enter(host: number): string[] {
    const namespace = ["ip", "netns", "exec", `${this.#name}-${host}`, "unshare", "--uts"];
    return [...namespace, "sh", "-c", 'hostname "$0"; exec "$@"', this.#names[host] as string];
  }

  /** Nothing goes to this host or comes from it any more, without a message to any rank. */
  cut(host: number): void {
    run("ip", "-n", `${this.#name}-wire`, "link", "set", `port${host}`, "down");
  }

  /** The end of a cut. */
  mend(host: number): void {
    run("ip", "-n", `${this.#name}-wire`, "link", "set", `port${host}`, "up");
  }

  /** Whatever goes to each host passes a queueing discipline, in the words of tc. */
  shape(...discipline: string[]): void {
    for (let host = 0; host < this.#names.length; host++) {
      run("tc", "-n", `${this.#name}-wire`, "qdisc", "add", "dev", `port${host}`, "root", ...discipline);
    }
  }

  /** How many packets the disciplines have thrown away. */
  dropped(): number {
    const { output } = command("tc", "-n", `${this.#name}-wire`, "-s", "qdisc", "show");
    return [...output.matchAll(/\(dropped (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  [Symbol.dispose](): void {
    for (let host = 0; host < this.#names.length; host++) command("ip", "netns", "delete", `${this.#name}-${host}`);
    command("ip", "netns", "delete", `${this.#name}-wire`);
  }

  #join(): void {
    const wire = `${this.#name}-wire`;
    run("ip", "netns", "add", wire);
    run("ip", "-n", wire, "link", "add", "wire", "type", "bridge");
    run("ip", "-n", wire, "link", "set", "wire", "up");
    for (let host = 0; host < this.#names.length; host++) {
      const name = `${this.#name}-${host}`;
      const port = `port${host}`;
      run("ip", "netns", "add", name);
      run("ip", "-n", name, "link", "set", "lo", "up");
      run("ip", "-n", wire, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name);
      run("ip", "-n", wire, "link", "set", port, "master", "wire", "up");
      run("ip", "-n", name, "address", "add", `${address(host)}/24`, "dev", "eth0");
      run("ip", "-n", name, "link", "set", "eth0", "up");
    }
  }
}
