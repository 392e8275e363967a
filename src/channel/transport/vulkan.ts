/**
 * GPU memory between two processes of one host. Everything else goes as over shared memory; a buffer on the producer's
 * GPU goes the best way that the two GPUs allow.
 */
import { type GpuDevice, notFound } from "../../gpu/device.ts";
import { channelDevice } from "../../memory/allocator.ts";
import { uuidsOf } from "../../memory/handle.ts";
import { native } from "../../native/load.ts";
import { lastError } from "../../native/status.ts";
import type { Link } from "../wire/link.ts";
import { noRing, type RingAbilities, ringAbilities, ringTerms, slotsOf } from "./ring.ts";
import { ShmConsumer } from "./shm-consumer.ts";
import { ShmProducer } from "./shm-producer.ts";
import type { Meeting, Party, Transport } from "./transport.ts";
import {
  asksForGpu,
  bothGpus,
  describeTerms,
  type GpuAbility,
  gpusOf,
  type NoGpu,
  readTerms,
  sameGpu,
  type Terms,
} from "./vulkan-parameters.ts";

const NOT_ASKED =
  "neither side asks for a GPU (the profile gpu-preferred, the transport vulkan, a location with a deviceId, or an allocator that has used one)";

/** The GPU that this side said it would use. */
function ownDevice({ allocator, mine }: Meeting): GpuDevice {
  const { device, reason } = channelDevice(allocator, mine.deviceId);
  if (device) return device;
  throw notFound(reason);
}

function abilityOf({ info }: GpuDevice): GpuAbility | NoGpu {
  const { name, deviceUuid, driverUuid } = info;
  if (!info.externalMemory) return { missing: `the driver of ${name} can't share memory between processes` };
  return { name, deviceUuid, driverUuid, timeline: info.externalTimeline };
}

/** How the consumer gets at buffers on the producer's GPU. */
function termsFor(meeting: Meeting): Terms {
  const gpus = bothGpus(meeting);
  if (sameGpu(gpus)) return { way: "direct", why: "" };
  const shim = native();
  const viable = shim.lf_cuda_peer_viable(uuidsOf(gpus.producer), uuidsOf(gpus.consumer));
  if (viable === 1) return { way: "cuda", why: "" };
  return { way: "staged", why: `no CUDA peer copy: ${lastError(shim).reason}` };
}

export const vulkan: Transport = {
  name: "vulkan",

  wished: (party: Party) => (party.pin === undefined ? asksForGpu(party) : party.pin === "vulkan"),

  capabilities(party: Party): RingAbilities & (GpuAbility | NoGpu) {
    const ring = ringAbilities(party);
    const { device, reason } = channelDevice(party.allocator, party.location.deviceId);
    return { ...ring, ...(device ? abilityOf(device) : { missing: reason }) };
  },

  refusal(meeting: Meeting): string | null {
    if (meeting.abilities("vulkan").mine === undefined) return NOT_ASKED;
    const ring = noRing(meeting, "vulkan");
    if (ring !== null) return ring;
    const { producer, consumer } = gpusOf(meeting);
    if ("missing" in producer) return `the producer has no GPU: ${producer.missing}`;
    if ("missing" in consumer) return `the consumer has no GPU: ${consumer.missing}`;
    return null;
  },

  reason(meeting: Meeting, terms: unknown): string {
    const gpus = bothGpus(meeting);
    return describeTerms(readTerms(terms, gpus), gpus);
  },

  openProducer(link: Link, meeting: Meeting, wake: () => void) {
    const gpus = bothGpus(meeting);
    const device = ownDevice(meeting);
    const producer = ShmProducer.open(link, slotsOf(meeting), ringTerms(meeting, "vulkan"), meeting.name, wake);
    const agree = (terms: unknown) => {
      const { way } = readTerms(terms, gpus);
      if (way === "staged") return;
      const share = way === "direct" && gpus.producer.timeline && gpus.consumer.timeline;
      producer.useDevice(device, share);
    };
    return { producer, agree };
  },

  openConsumer(link: Link, meeting: Meeting, wake: () => void) {
    const poll = () => {
      const consumer = ShmConsumer.open(link, ringTerms(meeting, "vulkan"));
      if (!consumer) return null;
      try {
        const terms = termsFor(meeting);
        consumer.useDevice(ownDevice(meeting), uuidsOf(bothGpus(meeting).producer), wake);
        return { consumer, terms };
      } catch (error) {
        consumer.close();
        throw error;
      }
    };
    return { poll, close() {} };
  },
};
