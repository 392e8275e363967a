/** MPI: between two ranks of one job, wherever they run. The library and its protocol are the shim's. */
import { LavaFlowError } from "../../errors.ts";
import type { GpuDevice } from "../../gpu/device.ts";
import { channelDevice } from "../../memory/allocator.ts";
import { type Job, joinJob } from "../job/job.ts";
import type { Deadline } from "../wait/deadline.ts";
import { type Link, MESSAGE } from "../wire/link.ts";
import { MpiConsumer } from "./mpi-consumer.ts";
import {
  bothRanks,
  describeRank,
  type NoRank,
  type RankAbility,
  type RankPeer,
  ranksOf,
  readAddress,
  readLane,
} from "./mpi-parameters.ts";
import { MpiProducer } from "./mpi-producer.ts";
import { words } from "./peer-text.ts";
import { slotsOf } from "./ring.ts";
import type { Meeting, Party, Transport } from "./transport.ts";
import { asksForGpu } from "./vulkan-parameters.ts";

const encoder = new TextEncoder();

function peerOf(link: Link, meeting: Meeting): RankPeer {
  const { producer, consumer } = bothRanks(meeting);
  const { rank } = meeting.role === "producer" ? consumer : producer;
  return { rank, link: link.handle, who: encoder.encode(describeRank(rank, meeting.peer)) };
}

export const mpi: Transport = {
  name: "mpi",

  /** Also where MPI failed, or is not this process's to use: the peer is then told why. */
  wished: ({ job, pin }: Party) => (pin === undefined || pin === "mpi") && !("missing" in job && !job.told),

  capabilities(party: Party): RankAbility | NoRank {
    const { job, allocator, location } = party;
    if ("missing" in job) return { missing: job.missing };
    const device = asksForGpu(party) ? channelDevice(allocator, location.deviceId).device : null;
    return { job: job.key, rank: job.rank, gpu: device?.info.name };
  },

  refusal(meeting: Meeting): string | null {
    if (meeting.abilities("mpi").mine === undefined) return "neither side is a rank of an MPI job";
    const { producer, consumer } = ranksOf(meeting);
    if ("missing" in producer || "missing" in consumer) {
      const sides = Object.entries({ producer, consumer });
      return sides
        .flatMap(([who, side]) => ("missing" in side ? `the ${who} has no MPI: ${side.missing}` : []))
        .join("; ");
    }
    return producer.job === consumer.job ? null : "the two are ranks of different jobs";
  },

  reason(meeting: Meeting): string {
    const { producer, consumer } = bothRanks(meeting);
    const [from, to] = meeting.role === "producer" ? [meeting.mine, meeting.peer] : [meeting.peer, meeting.mine];
    const way = `${(meeting.job as Job).library} from ${describeRank(producer.rank, from)} to ${describeRank(consumer.rank, to)}`;
    if (producer.gpu === undefined) return way;
    const staged = `${way}; buffers on a GPU go in pieces through pinned memory`;
    return consumer.gpu === undefined ? `${staged}, and come as bytes, as the consumer uses none` : staged;
  },

  async prepare(meeting: Meeting, deadline: Deadline) {
    if ("joining" in meeting.job) meeting.job = await joinJob(deadline);
  },

  openProducer(link: Link, meeting: Meeting, wake: () => void) {
    const slots = slotsOf(meeting);
    const producer = MpiProducer.open(
      peerOf(link, meeting),
      { slots, gathers: meeting.profile === "high-throughput" },
      wake,
    );
    try {
      link.send(MESSAGE.lane, { lane: producer.lane, slots });
    } catch (error) {
      producer.close();
      throw error;
    }
    return { producer, agree: (terms: unknown) => producer.agree(readAddress(terms)) };
  },

  openConsumer(link: Link, meeting: Meeting, wake: () => void) {
    let consumer: MpiConsumer | null = null;
    const poll = () => {
      consumer ??= answer(link, meeting, wake);
      const address = consumer?.ready() ?? null;
      return consumer !== null && address !== null ? { consumer, terms: { address } } : null;
    };
    return { poll, close: () => consumer?.close() };
  },
};

/** The GPU that the consumer said it would use. */
function deviceOf(meeting: Meeting): GpuDevice | null {
  const { consumer } = bothRanks(meeting);
  return consumer.gpu === undefined ? null : channelDevice(meeting.allocator, meeting.mine.deviceId).device;
}

/** The other end of the lane that the producer offered; null while it has not. */
function answer(link: Link, meeting: Meeting, wake: () => void): MpiConsumer | null {
  const message = link.receive();
  if (message === null) return null;
  if (message.kind === MESSAGE.lane) {
    return MpiConsumer.open(peerOf(link, meeting), readLane(message.value), deviceOf(meeting), wake);
  }
  const why =
    message.kind === MESSAGE.failed ? words(String(message.value)) : `message ${message.kind} instead of a lane`;
  throw new LavaFlowError("NO_ROUTE", `the producer sent no lane: ${why}`);
}
