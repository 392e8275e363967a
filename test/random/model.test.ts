/** What the model says of a consumer that was ended: its unanswered calls explain as many frames as they can take. */
import { expect, test } from "bun:test";
import type { ProducerStats } from "../../src/index.ts";
import { privateDirectory } from "../channel/support.ts";
import type { Answer, Command } from "./agent.ts";
import { key } from "./content.ts";
import { type AgentHost, GONE, Hosts } from "./hosts.ts";
import { ChannelModel } from "./model.ts";
import type { Host, Program } from "./program.ts";
import { Run } from "./run.ts";

privateDirectory();

const SIZE = 100;

/** Four frames were sent, the consumer told of those with these numbers, and was ended. */
function ended(told: number[], { unanswered, drained }: { unanswered: number; drained: boolean }): string | null {
  const model = new ChannelModel(256);
  for (let id = 0; id < 4; id++) model.direct(key(id, SIZE), SIZE);
  for (const sequence of told) model.take({ key: key(sequence, SIZE), size: SIZE, sequence, memory: false });
  model.states.consumer = "dead";
  Object.assign(model, { unanswered, drained });
  return model.verdict();
}

test("a frame that no unanswered call can have taken is lost", () => {
  expect(ended([0, 2, 3], { unanswered: 0, drained: false })).toBe("frame 1 did not come, and 3 did");
  expect(ended([3], { unanswered: 2, drained: false })).toBe("frame 2 did not come, and 3 did");
  expect(ended([0, 1], { unanswered: 0, drained: true })).toBe("the stream ended after 2 of 4 frames, expected 2:100");
  expect(ended([0, 2], { unanswered: 1, drained: true })).toMatch("the stream ended after 2 of 4 frames");
  expect(ended([], { unanswered: 3, drained: true })).toMatch("the stream ended after 0 of 4 frames");
});

test("a frame that an unanswered call can have taken is not lost", () => {
  expect(ended([0, 1, 2, 3], { unanswered: 0, drained: true })).toBeNull();
  expect(ended([0, 2, 3], { unanswered: 1, drained: true })).toBeNull();
  expect(ended([3], { unanswered: 3, drained: false })).toBeNull();
  expect(ended([], { unanswered: 5, drained: true })).toBeNull();
  // Without the end, the model can't know that more frames follow.
  expect(ended([0, 1], { unanswered: 0, drained: false })).toBeNull();
});

test("a frame comes once, and as it was sent", () => {
  expect(ended([0, 1, 1], { unanswered: 9, drained: false })).toBe("frame 1 came twice");
  const model = new ChannelModel(256);
  for (const id of [1, 2, 3]) model.direct(key(id, SIZE), SIZE);
  model.take({ key: key(2, SIZE), size: SIZE, sequence: 2, memory: false });
  model.unanswered = 2;
  expect(model.verdict()).toBe("frame 2 is 2:100, expected 3:100");
});

/** A loop in the Worker does not answer before the Worker's end: this thread may have no turn between the two. */
class Silent extends Hosts {
  readonly #dead = Promise.withResolvers<Answer>();

  override async get(host: Host): Promise<AgentHost> {
    const agent = await super.get(host);
    if (host !== "mortal-worker") return agent;
    const run = (command: Command) => {
      const answer = agent.run(command);
      return command.op === "iterate" ? this.#dead.promise : answer;
    };
    return { run, kill: () => agent.kill() };
  }

  override async end(host: Host): Promise<void> {
    await super.end(host);
    if (host === "mortal-worker") this.#dead.resolve(GONE);
  }
}

/** Its `quiesce` waits until all that was sent was received and released. */
class Released extends Run {
  protected override async quiesce(): Promise<void> {
    const { agent, number: end } = this.channel(0)!.ends.producer;
    while (((await agent.run({ op: "stats", end })) as { value: ProducerStats }).value.queued > 0) await this.turn();
  }
}

test("a loop has all frames, another call finds the end, and its Worker is ended before the loop has answered", async () => {
  const reports: string[] = [];
  const hosts = new Silent((what) => reports.push(what));
  const program: Program = {
    seed: 0,
    steps: [
      { do: "open", c: 0, name: 0, producer: "here", consumer: "mortal-worker", profile: "cpu-shared" },
      { do: "iterate", c: 0, frames: 5 },
      { do: "trySend", c: 0, as: "Uint8Array", size: SIZE, times: 2 },
      { do: "quiesce" },
      { do: "close", c: 0, role: "producer" },
      { do: "tryRecv", c: 0, times: 1 },
      { do: "kill", c: 0, role: "consumer" },
    ],
  };
  await new Released(program, hosts).run();
  await hosts.close();
  expect(reports).toEqual([]);
});
