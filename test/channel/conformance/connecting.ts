/** Opening: either role first, in processes, in Workers or here, many at once, and again under the same name. */
import { describe, expect, test } from "bun:test";
import { Channel } from "../../../src/index.ts";
import { means, openChannel } from "../../process/open.ts";
import { expected, type Spec, specs } from "../../process/payload.ts";
import type { Setting } from "../conformance.ts";
import { here, inWorker, type Start } from "../peers.ts";
import { failure, PATIENT, pair, unique } from "../support.ts";

const SOME = specs([0, 1, 64, 120, 121, 4096, 100_000]);

export function connecting({ transport, start }: Setting): void {
  /** One channel between two sides, the list sent through it, and what both say of it. */
  async function exchange(first: "producer" | "consumer", sides: { producer: Start; consumer: Start }, list: Spec[]) {
    const args = { name: unique(), transport };
    const run = {
      producer: () => sides.producer("exchange/produce", { ...args, specs: list }),
      consumer: () => sides.consumer("exchange/consume", args),
    };
    const second = first === "producer" ? "consumer" : "producer";
    await using early = run[first]();
    expect(await early.heard()).toBe("taken");
    await using late = run[second]();
    expect(await late.heard()).toBe("taken");
    const [producer, consumer] = first === "producer" ? [early, late] : [late, early];
    const met = { producer: await producer.heard(), consumer: await consumer.heard() };
    expect(met.producer.transport).toBe(transport);
    expect(met.consumer.transport).toBe(transport);
    expect(await consumer.heard()).toEqual({ got: expected(list) });
    const bytes = list.reduce((sum, { size }) => sum + size, 0);
    expect(await producer.heard()).toEqual({ sent: list.length, bytes, queued: 0 });
    await Promise.all([producer.done, consumer.done]);
    return met;
  }

  describe("connecting", () => {
    for (const first of ["producer", "consumer"] as const) {
      test(
        `the ${first} first, the consumer in another process`,
        async () => {
          const met = await exchange(first, { producer: here, consumer: start }, SOME);
          expect(met.consumer.pid).toBe(process.pid);
          expect(met.producer.pid).not.toBe(process.pid);
        },
        PATIENT,
      );

      test(
        `the ${first} first, the producer in another process`,
        async () => {
          const met = await exchange(first, { producer: start, consumer: here }, SOME);
          expect(met.producer.pid).toBe(process.pid);
          expect(met.consumer.pid).not.toBe(process.pid);
        },
        PATIENT,
      );

      test(`the ${first} first, both ends in one thread`, async () => {
        const met = await exchange(first, { producer: here, consumer: here }, SOME);
        expect(met).toMatchObject({ producer: { pid: process.pid }, consumer: { pid: process.pid } });
      });

      test(
        `the ${first} first, both ends in Workers`,
        async () => {
          await exchange(first, { producer: inWorker, consumer: inWorker }, SOME);
        },
        PATIENT,
      );
    }

    test("with all options set", async () => {
      const { MemoryAllocator, ProcessLocation } = await import("../../../src/index.ts");
      const { allocator = new MemoryAllocator() } = means(transport);
      const mine = ProcessLocation.detect();
      const name = unique();
      const [producer, consumer] = await Promise.all([
        Channel.open(name, { role: "producer", transport, allocator, location: mine, peer: mine }),
        Channel.open(name, { role: "consumer", transport, allocator, location: mine, peer: mine }),
      ]);
      await producer.send(Uint8Array.of(1));
      using frame = await consumer.recv();
      expect([...frame.bytes]).toEqual([1]);
      await Promise.all([producer.close(), consumer.close()]);
    });

    test("both sides know the route and its reasons", async () => {
      await using ends = await pair({ transport });
      for (const { route } of [ends.producer, ends.consumer]) {
        expect(route).toMatchObject({ transport, scope: { scope: "local" }, peer: { pid: process.pid } });
        expect(route.reason).not.toBe("");
        const others = ["vulkan", "shm", "mpi"].filter((name) => name !== transport);
        expect(route.rejected.map((rejection) => rejection.transport).sort()).toEqual(others.sort() as never);
        for (const { reason } of route.rejected) expect(reason).not.toBe("");
      }
      expect(ends.producer.route.rejected).toEqual(ends.consumer.route.rejected);
      expect(ends.producer).toMatchObject({ role: "producer", name: ends.consumer.name });
    });

    test(
      "both directions at once, and two channels the same way, between the same processes",
      async () => {
        const names = [unique("there"), unique("back"), unique("beside")] as const;
        const list = specs(Array.from({ length: 2000 }, (_, i) => (i * 37) % 3000));
        await using peers = new AsyncDisposableStack();
        const sides = [
          [here, "exchange/produce", { name: names[0], specs: list }],
          [here, "exchange/consume", { name: names[1] }],
          [here, "exchange/produce", { name: names[2], specs: list }],
        ] as const;
        const mine = sides.map(([at, scenario, args]) => peers.use(at(scenario, { ...args, transport })));
        const other = peers.use(
          start("many/run", [
            ["exchange/consume", { name: names[0], transport }],
            ["exchange/produce", { name: names[1], transport, specs: list }],
            ["exchange/consume", { name: names[2], transport }],
          ]),
        );
        await Promise.all(mine.map((side) => side.done));
        const last = new Map<number, unknown>();
        for (const _ of [1, 2, 3, 4, 5, 6, 7, 8, 9]) {
          const { from, said } = await other.heard();
          last.set(from, said);
        }
        await other.done;
        expect(last.get(0)).toEqual({ got: expected(list) });
        expect(last.get(1)).toMatchObject({ sent: list.length, queued: 0 });
        expect(last.get(2)).toEqual({ got: expected(list) });
        await mine[1]!.heard();
        await mine[1]!.heard();
        expect(await mine[1]!.heard()).toEqual({ got: expected(list) });
      },
      PATIENT,
    );

    test(
      "50 channels at once between two processes",
      async () => {
        const names = Array.from({ length: 50 }, () => unique("many"));
        const list = (i: number) => specs([i, 1000 + i, 50_000 + i]);
        await using other = start(
          "many/run",
          names.map((name, i) => ["exchange/produce", { name, transport, specs: list(i) }]),
        );
        await using peers = new AsyncDisposableStack();
        const mine = names.map((name) => peers.use(here("exchange/consume", { name, transport })));
        await Promise.all(
          mine.map(async (side, i) => {
            expect(await side.heard()).toBe("taken");
            await side.heard();
            expect(await side.heard()).toEqual({ got: expected(list(i)) });
          }),
        );
        await other.done;
      },
      PATIENT,
    );

    test("again under the same name, whichever side closed", async () => {
      const name = unique();
      const open = <Role extends "producer" | "consumer">(role: Role) => openChannel<Role>(name, { role, transport });
      let ends = await Promise.all([open("producer"), open("consumer")]);
      for (let round = 0; round < 5; round++) {
        const [producer, consumer] = ends;
        await producer.send(Uint8Array.of(round));
        using frame = await consumer.recv();
        expect([...frame.bytes]).toEqual([round]);
        const [leaver, stayer] = round % 2 ? [producer, consumer] : [consumer, producer];
        await leaver.close();
        await failure("CHANNEL_CLOSED", async () => {
          for (;;) {
            if (stayer.role === "consumer") await stayer.recv();
            else await stayer.send(Uint8Array.of(99));
          }
        });
        // The side that left may open again before its peer has noticed: its open waits for its role to be free.
        if (leaver === producer) {
          const again = open("producer");
          await stayer.close();
          ends = await Promise.all([again, open("consumer")]);
        } else {
          const again = open("consumer");
          await stayer.close();
          ends = await Promise.all([open("producer"), again]);
        }
      }
      await Promise.all(ends.map((channel) => channel.close()));
    });

    for (const role of ["producer", "consumer"] as const) {
      test(
        `again under the same name after the ${role} was killed`,
        async () => {
          const name = unique();
          const mine = role === "producer" ? "consumer" : "producer";
          for (let round = 0; round < 3; round++) {
            await using other = start("leaving/stay", { name, role, transport });
            const channel = await openChannel(name, { role: mine, transport });
            expect(await other.heard()).toBe("open");
            await other.kill();
            await failure("PEER_DIED", async () => {
              for (;;) {
                if (channel.role === "consumer") (await channel.recv()).release();
                else await channel.send(new Uint8Array(4096));
              }
            });
            await channel.close();
          }
        },
        PATIENT,
      );
    }
  });
}
