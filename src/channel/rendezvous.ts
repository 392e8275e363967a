/** Where two processes of one host meet: a name in this user's runtime directory. */
import { CONSTANTS, RENDEZVOUS_INFO } from "../native/layout.ts";
import { native } from "../native/load.ts";
import { check } from "../native/status.ts";
import { HostLink } from "./link.ts";

const encoder = new TextEncoder();
const info = new Int32Array(new ArrayBuffer(RENDEZVOUS_INFO.size));

export function roleNumber(role: "producer" | "consumer"): number {
  return role === "producer" ? CONSTANTS.LF_ROLE_PRODUCER : CONSTANTS.LF_ROLE_CONSUMER;
}

/** LAVA_FLOW_RUNTIME_DIR, else a folder in XDG_RUNTIME_DIR, else one of this user's in the temporary folder. */
export function runtimeDirectory(): string {
  const { LAVA_FLOW_RUNTIME_DIR: own, XDG_RUNTIME_DIR: xdg } = process.env;
  if (own) return own;
  if (xdg) return `${xdg}/lava-flow`;
  // Here and elsewhere, Node's modules are loaded when they are needed: they would double the time of the import.
  const { tmpdir, userInfo } = process.getBuiltinModule("node:os");
  return `${tmpdir()}/lava-flow-${process.getuid?.() ?? userInfo().username}`;
}

/** One role under one name. The role is held until `close`, and given back by the kernel when the process dies. */
export class Rendezvous {
  readonly directory = runtimeDirectory();
  readonly #handle: number;
  #closed = false;

  /** NAME_IN_USE, PERMISSION_DENIED (the directory), INVALID_ARGUMENT (the name). */
  constructor(name: string, role: "producer" | "consumer") {
    const shim = native();
    const directory = encoder.encode(this.directory);
    const bytes = encoder.encode(name);
    const [length, which] = [bytes.byteLength, roleNumber(role)];
    this.#handle = check(shim, shim.lf_rendezvous_open(directory, directory.byteLength, bytes, length, which));
  }

  /** A connection to a peer of the other role, or null while none has come. Never blocks. */
  poll(): HostLink | null {
    const shim = native();
    const handle = check(shim, shim.lf_rendezvous_poll(this.#handle));
    return handle === 0 ? null : new HostLink(handle);
  }

  /** Where a peer would have been found, and how many were turned away because they run as another user. */
  describe(): string {
    const shim = native();
    check(shim, shim.lf_rendezvous_info_get(this.#handle, info));
    const count = info[RENDEZVOUS_INFO.refused / 4] as number;
    const last = info[RENDEZVOUS_INFO.last_uid / 4] as number;
    const refused = count > 0 ? ` (${count} peers of other users were turned away, the last of user ${last})` : "";
    return `in ${this.directory}${refused}`;
  }

  /** The peer was found: nobody else may come. The role stays taken. */
  settle(): void {
    const shim = native();
    check(shim, shim.lf_rendezvous_settle(this.#handle));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    native().lf_rendezvous_close(this.#handle);
  }
}
