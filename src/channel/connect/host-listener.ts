/** The listener of one host: names in this user's runtime directory. */
import { ERROR_CODES } from "../../error-codes.ts";
import { CONSTANTS, RENDEZVOUS_INFO } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";
import type { Deadline, Known } from "../wait/deadline.ts";
import { HostLink } from "../wire/link.ts";
import { otherDirectories, runtimeDirectory } from "../wire/runtime-directory.ts";
import type { Listener } from "./listener.ts";
import { ListenerWatch } from "./listener-watch.ts";
import { callSiteBytes, type Names, nameInUse, whyNoPeer } from "./role-holder.ts";

const encoder = new TextEncoder();
const info = new Int32Array(new ArrayBuffer(RENDEZVOUS_INFO.sizeof));

function roleNumber(role: "producer" | "consumer"): number {
  return role === "producer" ? CONSTANTS.LF_ROLE_PRODUCER : CONSTANTS.LF_ROLE_CONSUMER;
}

const NAME_IN_USE = -1 - ERROR_CODES.indexOf("NAME_IN_USE");

const REMEDY =
  "Set LAVA_FLOW_RUNTIME_DIR to a folder, in one that exists, that only this user can write to; its path has to be short";

/** The first arguments of the shim's functions that take a role. */
function roleIn(directory: string, name: string, role: "producer" | "consumer", key: string) {
  const [path, bytes] = [encoder.encode(directory), encoder.encode(name)];
  const scope = key === "" ? null : encoder.encode(key);
  const which = roleNumber(role);
  return [path, path.byteLength, bytes, bytes.byteLength, which, scope, scope?.byteLength ?? 0] as const;
}

/** One role under one name, held until `close`. The kernel releases the role of a process that dies. */
export class HostListener implements Listener {
  readonly #directory = runtimeDirectory();
  readonly directory = this.#directory.path;
  readonly #handle: number;
  readonly #name: string;
  readonly #role: "producer" | "consumer";
  readonly #job: string;
  readonly #key: string;
  #watch: ListenerWatch | null = null;
  #closed = false;

  /**
   * `job` and `key` name the job that the name belongs to; "" for a name of the host. `openedAt` is the line of the user's
   * program that opens the channel. NAME_IN_USE, PERMISSION_DENIED (the directory), INVALID_ARGUMENT (the name).
   */
  constructor(name: string, role: "producer" | "consumer", job = "", key = "", openedAt = "") {
    const shim = native();
    this.#name = name;
    this.#role = role;
    this.#job = job;
    this.#key = key;
    const asked = roleIn(this.directory, name, role, key);
    const opened = shim.lf_rendezvous_open(...asked);
    if (opened === NAME_IN_USE) throw nameInUse(name, role, (out) => shim.lf_rendezvous_holder(...asked, out));
    this.#handle = check(shim, opened, undefined, REMEDY);
    const callSite = callSiteBytes(openedAt);
    if (callSite.length > 0) check(shim, shim.lf_rendezvous_note(this.#handle, callSite, callSite.length));
  }

  poll(): HostLink | null {
    const shim = native();
    const handle = check(shim, shim.lf_rendezvous_poll(this.#handle));
    return handle === 0 ? null : new HostLink(handle);
  }

  /**
   * Sleeps until an event, and returns true. Returns false at once if a peer may have connected already, and if the system
   * has no such event: then the caller polls.
   */
  async sleep(deadline: Deadline): Promise<boolean> {
    this.#watch ??= ListenerWatch.join(this.#handle);
    const watch = this.#watch;
    if (!watch?.covers(this.#handle)) return false;
    await deadline.sleep((wake) => watch.onEvent(this.#handle, wake));
    return true;
  }

  /** Names the directory, and how many peers of other users were refused. */
  describe(): string {
    const shim = native();
    check(shim, shim.lf_rendezvous_info_get(this.#handle, info));
    const count = info[RENDEZVOUS_INFO.refused / 4] as number;
    const last = info[RENDEZVOUS_INFO.last_uid / 4] as number;
    const refused = count > 0 ? ` (${count} peers of other users were turned away, the last of user ${last})` : "";
    const passedOver = this.#directory.passedOver.map((reason) => ` (${reason})`).join("");
    const names = this.#job && `, among the names of job ${this.#job} (those of the host: scope "host" on both sides)`;
    return `in ${this.directory}${passedOver}${refused}${names}`;
  }

  /** Why no peer came. `otherKey` is the key of the other scope that this process could have used; null for none. */
  whyNoPeer(came: boolean, otherKey: string | null): Known {
    const other = this.#role === "producer" ? "consumer" : "producer";
    const { directory } = this;
    const whose = this.#job ? "in the same job" : "on this host";
    const mine: Names = {
      directory,
      key: this.#key,
      remedy: `Open it as the ${other} ${whose}, as the same user, and with LAVA_FLOW_RUNTIME_DIR and XDG_RUNTIME_DIR as they are here`,
    };
    const others = () => {
      const keys = otherKey === null ? [this.#key] : [this.#key, otherKey];
      const all = [directory, ...otherDirectories(directory)].flatMap((folder) => {
        const move = `Set LAVA_FLOW_RUNTIME_DIR to ${folder} here, or to ${directory} there`;
        const scope = 'Open both ends with scope "host", or both without';
        return keys.map((key) => {
          const remedies = [...(folder === directory ? [] : [move]), ...(key === this.#key ? [] : [scope])];
          return { directory: folder, key, remedy: remedies.join(". ") };
        });
      });
      return all.slice(1);
    };
    const shim = native();
    return whyNoPeer(this.#name, other, mine, others, came, ({ directory, key }, out) =>
      check(shim, shim.lf_rendezvous_holder(...roleIn(directory, this.#name, other, key), out)),
    );
  }

  stop(): void {
    const shim = native();
    this.#unwatch();
    check(shim, shim.lf_rendezvous_stop(this.#handle));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unwatch();
    native().lf_rendezvous_close(this.#handle);
  }

  #unwatch(): void {
    this.#watch?.leave(this.#handle);
    this.#watch = null;
  }
}
