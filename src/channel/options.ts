/** What a channel may be asked for, and what is said of the rest. */
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
   * What matters most; default "cpu-shared". The producer's profile decides how many messages may be under way, and
   * "high-throughput" lets frames of up to 120 bytes that are sent in one turn of the event loop share messages of MPI.
   */
  profile?: ChannelProfile;
  /** Whose GPUs the channel may use: the one that `location.deviceId` names, else the first. Default: all hardware GPUs. */
  allocator?: MemoryAllocator;
  /** Where this process is; default: what is detected. */
  location?: ProcessLocation;
  /** Whom to expect. Without it the first peer that opens the same name with the other role. */
  peer?: Partial<ProcessLocation>;
  /**
   * Whose name it is. "job" (the default): of the job in which this process was started by an MPI launcher or a batch system,
   * rank or not, so that two jobs never meet; of the host, for a process that was started in none. "host": of this host, for all
   * processes of the user here, whatever started them; both sides have to say so, but for one that is of no job.
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

/** The largest frame: what one ArrayBuffer of the engine can show. */
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

/** A field that no location has would never be met: better said now than when the time is up. */
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
