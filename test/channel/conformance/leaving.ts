/** The end of a channel: closed on one side or the other, or a side that is simply gone. */
import { describe, expect, test } from "bun:test";
import type { Frame, Producer } from "../../../src/index.ts";
import { openChannel } from "../../process/open.ts";
import type { Setting } from "../conformance.ts";
import { inWorker } from "../peers.ts";
import { eventually, failure, openDescriptors, PATIENT, pair, unique } from "../support.ts";
import { fill, settled } from "./sending.ts";

export function leaving({ transport, start }: Setting): void {
  describe("leaving", () => {
    test("the producer closes: all that was sent arrives, then CHANNEL_CLOSED, again and again", async () => {
      const { producer, consumer } = await pair({ transport });
      for (const size of [10, 1000, 100_000]) await producer.send(new Uint8Array(size).fill(6));
      await producer.close();
      const frames: Frame[] = [];
      for (let i = 0; i < 3; i++) frames.push(await consumer.recv());
      for (const _ of [1, 2]) {
        await failure("CHANNEL_CLOSED", () => consumer.recv());
        await failure("CHANNEL_CLOSED", () => consumer.tryRecv());
        await failure("CHANNEL_CLOSED", () => consumer.recvSync());
      }
      for await (const _ of consumer) throw new Error("nothing is left");
      expect(frames.map((frame) => [frame.sizeBytes, frame.bytes[9]])).toEqual([
        [10, 6],
        [1000, 6],
        [100_000, 6],
      ]);
      for (const frame of frames) frame.release();
      await consumer.close();
    });

    test("the consumer closes: each later call of the producer throws CHANNEL_CLOSED", async () => {
      for (const act of [
        (producer: Producer) => producer.trySend(Uint8Array.of(1)),
        (producer: Producer) => producer.send(Uint8Array.of(1)),
        (producer: Producer) => producer.tryLoan(5000)!.commit(),
        (producer: Producer) => producer.flush(),
      ]) {
        const { producer, consumer } = await pair({ transport });
        await producer.send(Uint8Array.of(1));
        await consumer.close();
        await failure("CHANNEL_CLOSED", async () => {
          for (let i = 0; i < 10_000; i++) await act(producer);
        });
        await producer.close();
      }
    });

    test("frames that were released before the consumer closed count as released", async () => {
      const { producer, consumer } = await pair({ transport });
      await producer.send(new Uint8Array(5000));
      (await consumer.recv()).release();
      await consumer.close();
      await producer.flush();
      await producer.close();
    });

    test("waiting calls of the other side reject with CHANNEL_CLOSED", async () => {
      const first = await pair({ transport });
      const waits = [
        failure("CHANNEL_CLOSED", () => first.consumer.recv()),
        failure("CHANNEL_CLOSED", () => first.consumer.recv()),
      ];
      expect(await settled(Promise.race(waits))).toBe(false);
      await first.producer.close();
      await Promise.all(waits);
      await first.consumer.close();

      const { producer, consumer } = await pair({ transport });
      fill(producer, Uint8Array.of(1));
      const sends = [
        failure("CHANNEL_CLOSED", () => producer.send(Uint8Array.of(1))),
        failure("CHANNEL_CLOSED", () => producer.loan(5000)),
        failure("CHANNEL_CLOSED", () => producer.flush()),
      ];
      expect(await settled(Promise.race(sends))).toBe(false);
      await consumer.close();
      await Promise.all(sends);
      await producer.close();
    });

    test("waiting calls of the side that closes reject with CLOSED", async () => {
      const { producer, consumer } = await pair({ transport });
      const sent = fill(producer, Uint8Array.of(1));
      const sends = [
        failure("CLOSED", () => producer.send(Uint8Array.of(1))),
        failure("CLOSED", () => producer.loan(5000)),
        failure("CLOSED", () => producer.flush()),
      ];
      await producer.close();
      await Promise.all(sends);
      let got = 0;
      for await (const _ of consumer) got++;
      expect(got).toBe(sent);
      await consumer.close();

      const other = await pair({ transport });
      const waits = [failure("CLOSED", () => other.consumer.recv()), failure("CLOSED", () => other.consumer.recv())];
      await other.consumer.close();
      await Promise.all(waits);
      await other.producer.close();
    });

    test("closing is idempotent, and everything afterwards is CLOSED", async () => {
      const { producer, consumer } = await pair({ transport });
      await producer.send(new Uint8Array(5000));
      await producer.send(new Uint8Array(50));
      const frames = [await consumer.recv(), await consumer.recv()];
      const views = frames.map((frame) => frame.bytes);
      for (const channel of [producer, consumer, producer, consumer]) await channel.close();
      await producer[Symbol.asyncDispose]();
      await failure("CLOSED", () => producer.trySend(Uint8Array.of(1)));
      await failure("CLOSED", () => producer.send(Uint8Array.of(1)));
      await failure("CLOSED", () => producer.tryLoan(1));
      await failure("CLOSED", () => producer.loan(1));
      await failure("CLOSED", () => producer.flush());
      await failure("CLOSED", () => producer.stats);
      await failure("CLOSED", () => consumer.tryRecv());
      await failure("CLOSED", () => consumer.recv());
      await failure("CLOSED", () => consumer.recvSync());
      await failure("CLOSED", () => consumer.stats);
      for await (const _ of consumer) throw new Error("it is closed");
      for (const frame of frames) {
        await failure("CLOSED", () => frame.bytes);
        await failure("CLOSED", () => frame.release());
      }
      expect(views[0]!.length).toBe(0);
    });

    test("a frame stays valid after the producer closed", async () => {
      const { producer, consumer } = await pair({ transport });
      await producer.send(new Uint8Array(200_000).fill(9));
      const frame = await consumer.recv();
      await producer.close();
      await failure("CHANNEL_CLOSED", () => consumer.recv());
      expect(frame.bytes.every((byte) => byte === 9)).toBe(true);
      frame.release();
      await consumer.close();
    });

    test(
      "a frame stays valid after the producer was killed",
      async () => {
        const name = unique();
        await using other = start("leaving/sendAndStay", { name, transport, sizes: [50, 5000, 500_000] });
        await using consumer = await openChannel(name, { role: "consumer", transport });
        const frames = [await consumer.recv(), await consumer.recv()];
        await other.heard();
        await other.kill();
        frames.push(await consumer.recv()); // was sent, so it arrives
        await failure("PEER_DIED", () => consumer.recv());
        await failure("PEER_DIED", () => consumer.tryRecv());
        for (const frame of frames) {
          expect(frame.bytes.every((byte) => byte === 7)).toBe(true);
          frame.release();
        }
      },
      PATIENT,
    );

    test(
      "the consumer is killed: every waiting call of the producer rejects with PEER_DIED",
      async () => {
        const name = unique();
        await using other = start("leaving/stay", { name, role: "consumer", transport });
        await using producer = await openChannel(name, { role: "producer", transport });
        fill(producer, new Uint8Array(100_000));
        const waits = [
          failure("PEER_DIED", () => producer.send(new Uint8Array(100_000))),
          failure("PEER_DIED", () => producer.send(Uint8Array.of(1))),
          failure("PEER_DIED", () => producer.loan(100_000)),
          failure("PEER_DIED", () => producer.flush()),
        ];
        await other.kill();
        await Promise.all(waits);
        await failure("PEER_DIED", () => producer.flush());
        expect(producer.stats.queued).toBeGreaterThan(0); // what was not received is known
      },
      PATIENT,
    );

    // Only close() is a clean end: a thread that ends otherwise is for its peer what a process is that does.
    for (const how of ["terminate", "throw", "exit", "finish"] as const) {
      test(
        `a Worker's producer in mid-stream, whose thread ends by ${how}: all that was sent, then PEER_DIED`,
        async () => {
          const name = unique();
          await using worker = inWorker("leaving/sendUntil", { name, how, transport });
          await using consumer = await openChannel(name, { role: "consumer", transport });
          let got = 0;
          await failure("PEER_DIED", async () => {
            for await (const frame of consumer) {
              expect(new DataView(frame.bytes.buffer, frame.bytes.byteOffset).getUint32(0, true)).toBe(++got);
              if (got !== 200) continue;
              if (how === "terminate") worker.terminate();
              else worker.tell("end");
            }
          });
          expect(got).toBeGreaterThanOrEqual(200);
          await failure("PEER_DIED", () => consumer.recvSync({ timeoutMs: 10_000 }));
        },
        PATIENT,
      );

      test(
        `a Worker's consumer, whose thread ends by ${how}: waiting calls reject with PEER_DIED`,
        async () => {
          const name = unique();
          await using worker = inWorker("leaving/receiveUntil", { name, how, transport });
          await using producer = await openChannel(name, { role: "producer", transport });
          await worker.heard();
          fill(producer, new Uint8Array(100));
          const waits = [
            failure("PEER_DIED", () => producer.send(new Uint8Array(100))),
            failure("PEER_DIED", () => producer.flush()),
          ];
          if (how === "terminate") worker.terminate();
          else worker.tell("end");
          await Promise.all(waits);
        },
        PATIENT,
      );
    }

    for (const [state, spinUs] of [
      ["asleep", 0],
      ["spinning", 1e12],
    ] as const) {
      test(
        `a Worker that blocks in recvSync for ever, ${state}, ends when it is terminated, and its role is free`,
        async () => {
          const name = unique();
          const before = openDescriptors();
          const worker = inWorker("leaving/block", { name, spinUs, transport });
          const producer = await openChannel(name, { role: "producer", transport });
          await worker.heard();
          await worker.terminate(); // hangs where the call does not come back
          await failure("PEER_DIED", async () => {
            for (;;) await producer.send(new Uint8Array(1));
          });
          await producer.close();
          const free = async () => {
            const options = { role: "consumer", timeoutMs: 1, transport } as const;
            const { code } = await openChannel(name, options).catch((error) => error);
            return code === "TIMEOUT";
          };
          while (!(await free())) await new Promise(setImmediate);
          await eventually(() => openDescriptors() <= before, "all descriptors are closed");
        },
        PATIENT,
      );
    }

    test(
      "an open channel without a waiting call does not keep its process alive",
      async () => {
        const name = unique();
        await using other = start("leaving/idle", { name, role: "consumer", transport });
        await using producer = await openChannel(name, { role: "producer", transport });
        await producer.send(Uint8Array.of(1));
        await other.done;
        await failure("PEER_DIED", async () => {
          for (;;) await producer.send(new Uint8Array(100_000));
        });
      },
      PATIENT,
    );

    test(
      "a waiting call keeps the process alive",
      async () => {
        const name = unique();
        await using other = start("leaving/waitThenExit", { name, role: "consumer", transport });
        await using producer = await openChannel(name, { role: "producer", transport });
        expect(await other.heard()).toBe("waiting");
        await producer.send(Uint8Array.of(1));
        expect(await other.heard()).toBe("received");
        await other.done;
      },
      PATIENT,
    );
  });
}
