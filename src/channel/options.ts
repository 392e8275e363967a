/** The options of `Channel.open`, and their checks. */
import { invalidArgument } from "../errors.ts";
import { type ProcessLocation, validateLocation } from "../location.ts";
import { MemoryAllocator } from "../memory/allocator.ts";
import { type ChannelProfile, PROFILES } from "../memory/strategy.ts";
import { timeoutOf } from "../native/limits.ts";
import { checkNames, type OptionNames } from "../native/options.ts";
import { TRANSPORT_NAMES, type TransportName } from "./transport/transport.ts";

/** Options of `Channel.open`. */
export interface ChannelOptions {
  role: "producer" | "consumer";
  /**
   * What to optimise for; default "cpu-shared". The producer's profile sets the number of slots. With "high-throughput",
   * frames of up to 120 bytes that are sent in one turn of the event loop share one MPI message.
   */
  profile?: ChannelProfile;
  /** The allocator whose GPU the channel uses: the one of `location.deviceId`, else the first. Default: all hardware GPUs. */
  allocator?: MemoryAllocator;
  /** The location of this process; default: detected. */
  location?: ProcessLocation;
  /** Properties of the expected peer. Default: the first peer that opens the name with the other role. */
  peer?: Partial<ProcessLocation>;
  /**
   * The set of processes that share the name. "job" (the default): the processes of the MPI launcher or batch job that started
   * this process, ranks or not, so that two jobs never connect; for a process of no job, the processes of this host. "host":
   * all processes of the user on this host. Both sides must say "host", except a process of no job.
   */
  scope?: "job" | "host";
  /** How long to wait for the peer, in milliseconds; default 30 000. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Pins the transport (tests, measurements); refused with the reason where it can't work. */
  transport?: TransportName;
}

const NAMES: OptionNames<ChannelOptions> = {
  role: true,
  profile: true,
  allocator: true,
  location: true,
  peer: true,
  timeoutMs: true,
  signal: true,
  transport: true,
  scope: true,
};

/** Bytes of the largest frame: the largest ArrayBuffer of the engine. */
const FRAME_MAX = 2 ** 32;

export function checkSize(sizeBytes: number): void {
  if (Number.isInteger(sizeBytes) && sizeBytes >= 0 && sizeBytes <= FRAME_MAX) return;
  throw invalidArgument("sizeBytes", sizeBytes, `a whole number of bytes from 0 to ${FRAME_MAX}`);
}

export function checkOptions(name: string, options: ChannelOptions): void {
  if (
    typeof name !== "string" ||
    !name.isWellFormed() ||
    /[/\\\0]/.test(name) ||
    name === "" ||
    Buffer.byteLength(name) > 64
  ) {
    throw invalidArgument("name", name, "1 to 64 bytes of text without slash, backslash or NUL");
  }
  if (typeof options !== "object" || options === null) throw invalidArgument("options", options, "{ role: ... }");
  checkNames("Channel.open", options, NAMES);
  const { role, profile, transport, allocator, peer, scope } = options;
  if (role !== "producer" && role !== "consumer") throw invalidArgument("role", role, '"producer" or "consumer"');
  if (profile !== undefined && !PROFILES.includes(profile))
    throw invalidArgument("profile", profile, PROFILES.join(", "));
  if (transport !== undefined && !TRANSPORT_NAMES.includes(transport)) {
    throw invalidArgument("transport", transport, TRANSPORT_NAMES.join(", "));
  }
  if (scope !== undefined && scope !== "job" && scope !== "host") {
    throw invalidArgument("scope", scope, '"job" or "host"');
  }
  if (scope === "host" && transport === "mpi") {
    throw invalidArgument("transport", transport, 'shm or vulkan with scope "host": MPI joins the ranks of a job');
  }
  if (allocator !== undefined && !(allocator instanceof MemoryAllocator)) {
    throw invalidArgument("allocator", allocator, "a MemoryAllocator");
  }
  timeoutOf(options);
  if (peer !== undefined) checkExpected(peer);
}

/** A field that no location has would match no peer: refuse it now, instead of with a TIMEOUT. */
function checkExpected(peer: Partial<ProcessLocation>): void {
  if (typeof peer !== "object" || peer === null || Array.isArray(peer)) {
    throw invalidArgument("peer", peer, "fields of a ProcessLocation");
  }
  const known = validateLocation({ hostname: "", ...peer });
  for (const [field, value] of Object.entries(peer)) {
    if (value !== undefined && !(field in known))
      throw invalidArgument(`peer.${field}`, value, "fields of a ProcessLocation");
  }
}
