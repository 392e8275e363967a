/**
 * The handshake. Both sides send the same facts, and compute the same scope and the same candidates from them. Each candidate
 * is then tried, so that a wrong fact becomes a reason in the route instead of a broken channel.
 *
 *   producer                                        consumer
 *   hello: role, location, profile, pin, runtime- <->  hello
 *     directory id, requested transports
 *   verdict: whether the peer is the expected one, <->  verdict
 *     capabilities for each requested transport
 *   for each candidate, fastest first:
 *     the memory to share, or failed               ->
 *                                                  <-  accepted with the parameters, or the reason against it
 */
import { isCode, LavaFlowError } from "../../errors.ts";
import { detectScope, type ProcessLocation, validateLocation } from "../../location.ts";
import { type ChannelProfile, PROFILES } from "../../memory/strategy.ts";
import type { Rx } from "../transport/rx.ts";
import {
  type Acceptance,
  type Negotiation,
  type Offer,
  type Party,
  TRANSPORT_NAMES,
  type Transport,
  type TransportName,
} from "../transport/transport.ts";
import type { Tx } from "../transport/tx.ts";
import type { Deadline } from "../wait/deadline.ts";
import { HostLink, type Link, MESSAGE } from "../wire/link.ts";
import { candidates, capabilities, noRoute, type Route, requested } from "./route.ts";

export interface Agreement {
  route: Route;
  producer: Tx | null;
  consumer: Rx | null;
}

/** The reason if a peer exits or stays silent before the handshake ends. */
export const UNFINISHED = "the peer connected, but did not finish the handshake";

/** One side does not expect the other: the link is closed, and the open waits for the next peer. */
export class Mismatch extends Error {}

export interface Hello {
  role: string;
  profile: ChannelProfile;
  location: ProcessLocation;
  /** As in Party. */
  directoryId: string | null;
  /** Transports that the side requests. */
  requested: TransportName[];
  pin?: TransportName;
}

/** Characters of a runtime-directory id, which is two hashes of at most 64 and a colon. */
const DIRECTORY_ID_MAX = 200;
/** Characters that an error message quotes of the peer's reason. */
const REASON_MAX = 1000;

/** Sends this side's first message. */
export function sendHello(link: Link, party: Party): void {
  const { role, location, directoryId, profile, pin } = party;
  try {
    link.send(MESSAGE.hello, { role, location, directoryId, profile, requested: requested(party), pin });
  } catch (error) {
    // A peer of another wire version has closed the link after a message that says so. `receiveHello` reads that message.
    if (!isCode(error, "PEER_DIED")) throw error;
  }
}

/** The peer's first message; null while it has not come. */
export function receiveHello(link: Link, { role }: Party): Hello | null {
  const value = receive(link, MESSAGE.hello);
  return value === undefined ? null : readHello(value, role);
}

/** The handshake after the hellos. `wake` as for a Transport. */
export async function shakeHands(
  link: Link,
  peer: Hello,
  party: Party,
  deadline: Deadline,
  wake: () => void,
): Promise<Agreement> {
  const { role, location, profile, pin, allocator } = party;
  const connected = link instanceof HostLink;
  // Two such ranks connect through the job only. With two links, each rank might wait for the other on a different one.
  if (connected && connectsInJob(party.directoryId, peer.directoryId))
    throw new Mismatch("a rank that connects through the job");
  const objection = unexpected(party.expected, peer.location);
  const pins = [pin, peer.pin].filter((name) => name !== undefined);
  const examined = [...requested(party), ...peer.requested].filter((name) => pins.every((pinned) => pinned === name));
  const offered = objection === null ? capabilities(party, new Set(examined)) : {};
  link.send(MESSAGE.verdict, { ok: objection === null, reason: objection, capabilities: offered });
  const verdict = readVerdict(await next(link, MESSAGE.verdict, deadline));
  if (objection !== null) throw new Mismatch(objection);
  if (!verdict.ok) throw new Mismatch(`the peer expects another process: ${verdict.reason}`);

  const negotiation: Negotiation = {
    name: party.name,
    role,
    scope: detectScope(location, peer.location),
    mine: location,
    peer: peer.location,
    // The ring has one number of slots: the producer's profile decides.
    profile: role === "producer" ? profile : peer.profile,
    pins,
    connected,
    job: party.job,
    allocator,
    capabilities: (transport) => ({ mine: offered[transport], peer: verdict.capabilities[transport] }),
  };
  const { viable, rejected } = candidates(negotiation);
  for (const transport of viable) {
    const { parameters, ...tried } = await (role === "producer" ? offer : accept)(
      link,
      negotiation,
      transport,
      deadline,
      wake,
    );
    if ("reason" in tried) {
      rejected.push({ transport: transport.name, reason: tried.reason });
      continue;
    }
    for (const slower of viable.slice(viable.indexOf(transport) + 1)) {
      rejected.push({ transport: slower.name, reason: `${transport.name} is faster` });
    }
    const reason = transport.reason(negotiation, parameters);
    const route: Route = { transport: transport.name, scope: negotiation.scope, reason, rejected, peer: peer.location };
    return { producer: null, consumer: null, ...tried, route };
  }
  throw noRoute(party.name, negotiation, rejected);
}

async function offer(
  link: Link,
  negotiation: Negotiation,
  transport: Transport,
  deadline: Deadline,
  wake: () => void,
): Promise<({ producer: Tx } | { reason: string }) & { parameters?: unknown }> {
  let offered: Offer;
  try {
    await transport.prepare?.(negotiation, deadline);
    offered = transport.openProducer(link, negotiation, wake);
  } catch (error) {
    if (isGone(error)) throw error;
    const reason = messageOf(error);
    link.send(MESSAGE.failed, reason);
    await next(link, MESSAGE.accepted, deadline); // the consumer's answer: both sides go on to the next candidate
    return { reason };
  }
  const { producer } = offered;
  try {
    const verdict = readVerdict(await next(link, MESSAGE.accepted, deadline));
    if (verdict.ok) {
      offered.agree(verdict.parameters);
      return { producer, parameters: verdict.parameters };
    }
    producer.close();
    return { reason: `the consumer can't use it: ${verdict.reason}` };
  } catch (error) {
    producer.close();
    throw error;
  }
}

async function accept(
  link: Link,
  negotiation: Negotiation,
  transport: Transport,
  deadline: Deadline,
  wake: () => void,
): Promise<({ consumer: Rx } | { reason: string }) & { parameters?: unknown }> {
  let acceptance: Acceptance | null = null;
  let opened: ReturnType<Acceptance["poll"]> = null;
  try {
    await transport.prepare?.(negotiation, deadline);
    acceptance = transport.openConsumer(link, negotiation, wake);
    for (opened = acceptance.poll(); !opened; opened = acceptance.poll()) {
      deadline.check("the producer did not share its memory");
      await deadline.pause();
    }
  } catch (error) {
    acceptance?.close();
    if (isGone(error) || isOver(error)) throw error;
    const reason = messageOf(error);
    link.send(MESSAGE.accepted, { ok: false, reason });
    return { reason };
  }
  try {
    link.send(MESSAGE.accepted, { ok: true, reason: null, parameters: opened.parameters });
    return opened;
  } catch (error) {
    opened.consumer.close(); // the producer died: unmap its memory
    throw error;
  }
}

async function next(link: Link, kind: number, deadline: Deadline): Promise<unknown> {
  for (;;) {
    const value = receive(link, kind);
    if (value !== undefined) {
      deadline.moved();
      return value;
    }
    deadline.check(UNFINISHED);
    await deadline.pause();
  }
}

/** The value of the next message; undefined while none has come. CORRUPT_SEGMENT if the message is of another kind. */
function receive(link: Link, kind: number): unknown {
  const message = link.receive();
  if (message === null) return undefined;
  if (message.kind === kind) return message.value;
  throw new LavaFlowError("CORRUPT_SEGMENT", `the peer's handshake sent message ${message.kind} instead of ${kind}`);
}

/** Whether the two are ranks of one job in different runtime directories: the job's names connect them. */
function connectsInJob(mine: string | null, peer: string | null): boolean {
  return mine !== null && peer !== null && mine !== peer && mine.split(":")[0] === peer.split(":")[0];
}

function isGone(error: unknown): boolean {
  return isCode(error, "PEER_DIED", "WIRE_VERSION_MISMATCH");
}

/** The open ends. The error says nothing of the transport. */
function isOver(error: unknown): boolean {
  return isCode(error, "TIMEOUT", "ABORTED");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Every field is checked: the hello comes from another process. `ownRole` is this side's. */
function readHello(value: unknown, ownRole: string): Hello {
  const bad = (field: string) => new LavaFlowError("CORRUPT_SEGMENT", `the peer's hello has no valid ${field}`);
  if (typeof value !== "object" || value === null) throw bad("form");
  const { role, profile, pin, directoryId = null, requested, location } = value as Record<string, unknown>;
  if ((role !== "producer" && role !== "consumer") || role === ownRole) throw bad("role");
  if (!PROFILES.includes(profile as ChannelProfile)) throw bad("profile");
  if (pin !== undefined && !TRANSPORT_NAMES.includes(pin as TransportName)) throw bad("pin");
  if (directoryId !== null && (typeof directoryId !== "string" || directoryId.length > DIRECTORY_ID_MAX))
    throw bad("directoryId");
  if (!Array.isArray(requested) || !requested.every((name) => TRANSPORT_NAMES.includes(name))) throw bad("requested");
  const known = { role, profile, pin, directoryId, requested } as Omit<Hello, "location">;
  try {
    return { ...known, location: validateLocation(location) };
  } catch {
    throw bad("location");
  }
}

interface Verdict {
  ok: boolean;
  reason: string;
  capabilities: Record<string, unknown>;
  parameters: unknown;
}

function readVerdict(value: unknown): Verdict {
  const { ok, reason, capabilities, parameters } = (value ?? {}) as Record<string, unknown>;
  if (typeof ok !== "boolean") throw new LavaFlowError("CORRUPT_SEGMENT", "the peer's verdict has no valid form");
  return {
    ok,
    // Error messages quote the reason: no control character of the peer may reach a terminal.
    reason: String(reason)
      .slice(0, REASON_MAX)
      .replace(/\p{Cc}/gu, " "),
    // Each transport checks its own part.
    capabilities: (capabilities ?? {}) as Record<string, unknown>,
    parameters,
  };
}

function unexpected(expected: Partial<ProcessLocation> | undefined, peer: ProcessLocation): string | null {
  for (const [field, wanted] of Object.entries(expected ?? {})) {
    const got = peer[field as keyof ProcessLocation];
    if (wanted !== undefined && got !== wanted) return `expected ${field} ${wanted}, the peer has ${got}`;
  }
  return null;
}
