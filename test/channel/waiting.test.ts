/** An `open` that waits for its peer: asleep until the kernel tells of one, whatever becomes of the files it waits at. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, renameSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { Channel } from "../../src/index.ts";
import { native } from "../../src/native/load.ts";
import { onLinux, requires } from "../requires.ts";
import { inWorker, ProcessPeer } from "./peers.ts";
import { eventually, failure, openDescriptors, PATIENT, pair, privateDirectory, unique } from "./support.ts";

const directory = privateDirectory();

const OTHER = { producer: "consumer", consumer: "producer" } as const;
const ROLES = ["producer", "consumer"] as const;

/** Counts the polls of the opens of this thread, and the opens that sleep. */
class Spy {
  readonly #shim = native() as unknown as Record<string, (...values: number[]) => number>;
  readonly #before = { ...this.#shim };
  readonly #asleep = new Set<number>();
  polls = 0;

  constructor() {
    this.#shim.lf_rendezvous_poll = (handle) => {
      this.polls++;
      this.#asleep.delete(handle as number);
      return this.#before.lf_rendezvous_poll!(handle as number);
    };
    this.#shim.lf_rendezvous_watch = (handle, watch) => {
      const result = this.#before.lf_rendezvous_watch!(handle as number, watch as number);
      if (result === 1) this.#asleep.add(handle as number);
      return result;
    };
    this.#shim.lf_rendezvous_close = (handle) => {
      this.#asleep.delete(handle as number);
      return this.#before.lf_rendezvous_close!(handle as number);
    };
  }

  /** Resolves when `count` opens sleep. */
  async sleeping(count: number): Promise<void> {
    await eventually(() => this.#asleep.size === count, `${count} opens are asleep`);
  }

  restore(): void {
    Object.assign(this.#shim, this.#before);
  }
}

describe.skipIf(!onLinux())("an open that waits", () => {
  let spy: Spy;
  beforeEach(() => {
    spy = new Spy();
  });
  afterEach(() => spy.restore());

  test("many waiting opens do not poll while no peer comes, and leave no files", async () => {
    const before = openDescriptors();
    const enough = new AbortController();
    const opens = Array.from({ length: 60 }, (_, i) =>
      failure("ABORTED", () => {
        return Channel.open(unique(), { role: ROLES[i % 2]!, signal: enough.signal, timeoutMs: PATIENT });
      }),
    );
    await spy.sleeping(60);
    const { polls } = spy;
    // A timer that polls would fire within this time.
    await Bun.sleep(300);
    expect(spy.polls).toBe(polls);
    enough.abort();
    await Promise.all(opens);
    await eventually(() => openDescriptors() <= before, "all descriptors are closed");
  });

  for (const role of ROLES) {
    const other = OTHER[role];

    test(
      `a sleeping ${role} is woken by its peer, and no other open is`,
      async () => {
        const name = unique();
        const enough = new AbortController();
        const bystander = failure("ABORTED", () => Channel.open(unique(), { role, signal: enough.signal }));
        const opening = Channel.open(name, { role });
        await spy.sleeping(2);
        await using _peer = new ProcessPeer("leaving/stay", { name, role: other });
        await using channel = await opening;
        expect(channel.route.transport).toBe("shm");
        await spy.sleeping(1);
        enough.abort();
        await bystander;
      },
      PATIENT,
    );

    test(
      `a sleeping ${role} in a Worker is woken by its peer`,
      async () => {
        const name = unique();
        await using worker = inWorker("opening/waiting", { name, role });
        expect(await worker.heard()).toBe("asleep");
        await using _channel = await Channel.open(name, { role: other });
        expect(await worker.heard()).toEqual({ open: "shm" });
      },
      PATIENT,
    );

    test(
      `a sleeping ${role} connects through a directory that was deleted and made again`,
      async () => {
        const name = unique();
        const opening = Channel.open(name, { role });
        await spy.sleeping(1);
        rmSync(directory.path, { recursive: true });
        await using peer = await Channel.open(name, { role: other });
        await using channel = await opening;
        expect(channel.route.peer.pid).toBe(peer.route.peer.pid);
      },
      PATIENT,
    );

    test(
      `a sleeping ${role} connects through a directory that replaced the old one`,
      async () => {
        const name = unique();
        const opening = Channel.open(name, { role });
        await spy.sleeping(1);
        renameSync(directory.path, `${directory.path}-old`);
        await using _peer = await Channel.open(name, { role: other });
        await using _channel = await opening;
        rmSync(`${directory.path}-old`, { recursive: true });
      },
      PATIENT,
    );

    test(
      `a sleeping ${role} rejects if its role was taken with another lock file`,
      async () => {
        const name = unique();
        const opening = failure("NAME_IN_USE", () => Channel.open(name, { role }));
        await spy.sleeping(1);
        unlinkSync(join(directory.path, ".lock"));
        const enough = new AbortController();
        const usurper = failure("ABORTED", () => Channel.open(name, { role, signal: enough.signal }));
        await opening;
        enough.abort();
        await usurper;
      },
      PATIENT,
    );
  }

  test(
    "a consumer whose socket file was deleted listens again",
    async () => {
      const name = unique();
      const opening = Channel.open(name, { role: "consumer" });
      await spy.sleeping(1);
      unlinkSync(join(directory.path, `${name}.sock`));
      await using _producer = await Channel.open(name, { role: "producer" });
      await using _consumer = await opening;
    },
    PATIENT,
  );

  test(
    "a producer that sleeps at the socket of a killed consumer connects to the next one",
    async () => {
      const name = unique();
      await using first = new ProcessPeer("opening/attempt", { name, role: "consumer" });
      await first.heard();
      await eventually(() => readdirSync(directory.path).includes(`${name}.sock`), "the consumer listens");
      await first.kill();
      // Through a second name, so that no other open deletes the socket before.
      const opening = Channel.open(name, { role: "producer" });
      await spy.sleeping(1);
      await using _second = new ProcessPeer("leaving/stay", { name, role: "consumer" });
      await using _producer = await opening;
    },
    PATIENT,
  );

  test("abort and the end of the time wake a sleeper", async () => {
    const enough = new AbortController();
    const aborted = failure("ABORTED", () => Channel.open(unique(), { role: "consumer", signal: enough.signal }));
    const late = failure("TIMEOUT", () => Channel.open(unique(), { role: "producer", timeoutMs: 400 }));
    await spy.sleeping(2);
    enough.abort("enough");
    expect((await aborted).cause).toBe("enough");
    await late;
  });

  // A limit of the namespace that the process is in: other processes of this user keep theirs.
  const limited = ["unshare", "--user", "--map-root-user", "sh", "-c"];
  const none = [...limited, 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"', "sh"];
  const can = Bun.which("unshare") !== null && Bun.spawnSync([...none, "true"]).success;
  test.skipIf(!requires("root", can, "a limit on inotify takes a user namespace"))(
    "producers poll if no inotify instance is left",
    async () => {
      const name = unique();
      await using peer = new ProcessPeer("opening/waiting", { name, role: "producer" }, { through: none });
      expect(await peer.heard()).toBe("polls");
      await using _consumer = await Channel.open(name, { role: "consumer" });
      expect(await peer.heard()).toEqual({ open: "shm" });
      await using _both = await pair();
    },
    PATIENT,
  );
});
