/** MPI: between two ranks of one job, on any hosts. The shim loads the library and runs the protocol. */
import { LavaFlowError } from "../../errors.ts";
import type { GpuDevice } from "../../gpu/device.ts";
import { channelDevice } from "../../memory/allocator.ts";
import { type Job, joinJob } from "../job/job.ts";
import type { Deadline } from "../wait/deadline.ts";
import { type Link, MESSAGE } from "../wire/link.ts";
import {
  bothRanks,
  describeRank,
  type NoRank,
  type RankCapability,
  type RankPeer,
  ranksOf,
  readAddress,
  readEndpoint,
} from "./mpi-parameters.ts";
import { MpiRx } from "./mpi-rx.ts";
import { MpiTx } from "./mpi-tx.ts";
import { printable } from "./peer-text.ts";
import { slotsOf } from "./ring.ts";
import type { Rx } from "./rx.ts";
import type { Negotiation, Party, Transport } from "./transport.ts";
import { asksForGpu } from "./vulkan-parameters.ts";

const encoder = new TextEncoder();

function peerOf(link: Link, negotiation: Negotiation): RankPeer {
  const { producer, consumer } = bothRanks(negotiation);
  const { rank } = negotiation.role === "producer" ? consumer : producer;
  return { rank, link: link.handle, who: encoder.encode(describeRank(rank, negotiation.peer)) };
}

export const mpi: Transport = {
  name: "mpi",

  /** Also true if this process should be a rank and MPI failed: the peer is then told why. */
  requested: ({ job, pin }: Party) => (pin === undefined || pin === "mpi") && !("missing" in job && !job.told),

  capabilities(party: Party): RankCapability | NoRank {
    const { job, allocator, location } = party;
    if ("missing" in job) return { missing: job.missing };
    const device = asksForGpu(party) ? channelDevice(allocator, location.deviceId).device : null;
    return { job: job.key, rank: job.rank, gpu: device?.info.name };
  },

  refusal(negotiation: Negotiation): string | null {
    if (negotiation.capabilities("mpi").mine === undefined) return "neither side is a rank of an MPI job";
    const { producer, consumer } = ranksOf(negotiation);
    if ("missing" in producer || "missing" in consumer) {
      const sides = Object.entries({ producer, consumer });
      return sides
        .flatMap(([who, side]) => ("missing" in side ? `the ${who} has no MPI: ${side.missing}` : []))
        .join("; ");
    }
    return producer.job === consumer.job ? null : "the two are ranks of different jobs";
  },

  reason(negotiation: Negotiation): string {
    const { producer, consumer } = bothRanks(negotiation);
    const [from, to] =
      negotiation.role === "producer" ? [negotiation.mine, negotiation.peer] : [negotiation.peer, negotiation.mine];
    const path = `${(negotiation.job as Job).library} from ${describeRank(producer.rank, from)} to ${describeRank(consumer.rank, to)}`;
    if (producer.gpu === undefined) return path;
    const staged = `${path}; buffers on a GPU go in fragments through pinned memory`;
    return consumer.gpu === undefined ? `${staged}, and come as bytes, as the consumer uses none` : staged;
  },

  async prepare(negotiation: Negotiation, deadline: Deadline) {
    if ("joining" in negotiation.job) negotiation.job = await joinJob(deadline);
  },

  openProducer(link: Link, negotiation: Negotiation, wake: () => void) {
    const slots = slotsOf(negotiation);
    const { producer, part, tag } = MpiTx.open(
      peerOf(link, negotiation),
      { slots, coalesces: negotiation.profile === "high-throughput" },
      wake,
    );
    try {
      link.send(MESSAGE.endpoint, { tag, slots });
    } catch (error) {
      producer.close();
      throw error;
    }
    return { producer, agree: (parameters: unknown) => part.connect(readAddress(parameters)) };
  },

  openConsumer(link: Link, negotiation: Negotiation, wake: () => void) {
    let opened: ReturnType<typeof answer> = null;
    const poll = () => {
      opened ??= answer(link, negotiation, wake);
      const address = opened?.part.ready() ?? null;
      return opened !== null && address !== null ? { consumer: opened.consumer, parameters: { address } } : null;
    };
    return { poll, close: () => opened?.consumer.close() };
  },
};

/** The GPU of the consumer's capabilities. */
function deviceOf(negotiation: Negotiation): GpuDevice | null {
  const { consumer } = bothRanks(negotiation);
  return consumer.gpu === undefined ? null : channelDevice(negotiation.allocator, negotiation.mine.deviceId).device;
}

/** The consumer of the producer's endpoint; null until the producer has sent it. */
function answer(link: Link, negotiation: Negotiation, wake: () => void): { consumer: Rx; part: MpiRx } | null {
  const message = link.receive();
  if (message === null) return null;
  if (message.kind === MESSAGE.endpoint) {
    return MpiRx.open(peerOf(link, negotiation), readEndpoint(message.value), deviceOf(negotiation), wake);
  }
  const why =
    message.kind === MESSAGE.failed
      ? printable(String(message.value))
      : `message ${message.kind} instead of an endpoint`;
  throw new LavaFlowError("NO_ROUTE", `the producer sent no endpoint: ${why}`);
}
