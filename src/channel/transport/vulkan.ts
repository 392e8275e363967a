/**
 * GPU memory between two processes of one host. Other payloads travel as over shared memory. A buffer on the producer's
 * GPU takes the fastest path that the two GPUs allow.
 */
import { type GpuDevice, notFound } from "../../gpu/device.ts";
import { channelDevice } from "../../memory/allocator.ts";
import { uuidsOf } from "../../memory/handle.ts";
import { native } from "../../native/load.ts";
import { lastError } from "../../native/status.ts";
import type { Link } from "../wire/link.ts";
import { noRing, type RingCapabilities, ringCapabilities, ringParameters, slotsOf } from "./ring.ts";
import { ShmRx } from "./shm-rx.ts";
import { ShmTx } from "./shm-tx.ts";
import type { Negotiation, Party, Transport } from "./transport.ts";
import {
  asksForGpu,
  bothGpus,
  describePath,
  type GpuCapability,
  type GpuPath,
  gpusOf,
  type NoGpu,
  readPath,
  sameGpu,
} from "./vulkan-parameters.ts";

const NOT_REQUESTED =
  "neither side asks for a GPU (the profile gpu-preferred, the transport vulkan, a location with a deviceId, or an allocator that has used one)";

/** The GPU of this side's capabilities. */
function ownDevice({ allocator, mine }: Negotiation): GpuDevice {
  const { device, reason } = channelDevice(allocator, mine.deviceId);
  if (device) return device;
  throw notFound(reason);
}

function capabilityOf({ info }: GpuDevice): GpuCapability | NoGpu {
  const { name, deviceUuid, driverUuid } = info;
  if (!info.externalMemory) return { missing: `the driver of ${name} can't share memory between processes` };
  return { name, deviceUuid, driverUuid, timeline: info.externalTimeline };
}

/** The path of buffers on the producer's GPU to the consumer. */
function pathFor(negotiation: Negotiation): GpuPath {
  const gpus = bothGpus(negotiation);
  if (sameGpu(gpus)) return { path: "direct", why: "" };
  const shim = native();
  const viable = shim.lf_cuda_peer_viable(uuidsOf(gpus.producer), uuidsOf(gpus.consumer));
  if (viable === 1) return { path: "cuda", why: "" };
  return { path: "staged", why: `no CUDA peer copy: ${lastError(shim).reason}` };
}

export const vulkan: Transport = {
  name: "vulkan",

  requested: (party: Party) => (party.pin === undefined ? asksForGpu(party) : party.pin === "vulkan"),

  capabilities(party: Party): RingCapabilities & (GpuCapability | NoGpu) {
    const ring = ringCapabilities(party);
    const { device, reason } = channelDevice(party.allocator, party.location.deviceId);
    return { ...ring, ...(device ? capabilityOf(device) : { missing: reason }) };
  },

  refusal(negotiation: Negotiation): string | null {
    if (negotiation.capabilities("vulkan").mine === undefined) return NOT_REQUESTED;
    const ring = noRing(negotiation, "vulkan");
    if (ring !== null) return ring;
    const { producer, consumer } = gpusOf(negotiation);
    if ("missing" in producer) return `the producer has no GPU: ${producer.missing}`;
    if ("missing" in consumer) return `the consumer has no GPU: ${consumer.missing}`;
    return null;
  },

  reason(negotiation: Negotiation, parameters: unknown): string {
    const gpus = bothGpus(negotiation);
    return describePath(readPath(parameters, gpus), gpus);
  },

  openProducer(link: Link, negotiation: Negotiation, wake: () => void) {
    const gpus = bothGpus(negotiation);
    const device = ownDevice(negotiation);
    const ring = ringParameters(negotiation, "vulkan");
    const { producer, part } = ShmTx.open(link, slotsOf(negotiation), ring, negotiation.name, wake);
    const agree = (parameters: unknown) => {
      const { path } = readPath(parameters, gpus);
      if (path === "staged") return;
      const share = path === "direct" && gpus.producer.timeline && gpus.consumer.timeline;
      part.useDevice(device, share);
    };
    return { producer, agree };
  },

  openConsumer(link: Link, negotiation: Negotiation, wake: () => void) {
    const poll = () => {
      const opened = ShmRx.open(link, ringParameters(negotiation, "vulkan"));
      if (!opened) return null;
      const { consumer, part } = opened;
      try {
        const { path, why } = pathFor(negotiation);
        part.useDevice(ownDevice(negotiation), uuidsOf(bothGpus(negotiation).producer), wake);
        return { consumer, parameters: { path, why } };
      } catch (error) {
        consumer.close();
        throw error;
      }
    };
    return { poll, close() {} };
  },
};
