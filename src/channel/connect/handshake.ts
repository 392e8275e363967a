/**
 * How two processes agree. Both send a hello with all they know; from the same facts both compute the same scope and the
 * same candidates; each candidate is then really tried, so a wrong belief becomes a reason instead of a broken channel.
 *
 *   producer                                consumer
 *   hello (location, place in the job, <->  hello
 *     wishes, pin)
 *   verdict (is this whom I expect,    <->  verdict
 *     and my abilities for all that
 *     either side wishes)
 *   for each candidate, fastest first:
 *     what is to be shared, or failed   ->
 *                                       <-  accepted (and on which terms), or why not
 */
import { isCode, LavaFlowError } from "../../errors.ts";
import { detectScope, type ProcessLocation, validateLocation } from "../../location.ts";
import { type ChannelProfile, PROFILES } from "../../memory/strategy.ts";
import {
  type Acceptance,
  type ConsumerEnd,
  type Meeting,
  type Offer,
  type Party,
  type ProducerEnd,
  TRANSPORT_NAMES,
  type Transport,
  type TransportName,
} from "../transport/transport.ts";
import type { Deadline } from "../wait/deadline.ts";
import { HostLink, type Link, MESSAGE } from "../wire/link.ts";
import { candidates, capabilities, noRoute, type Route, wishes } from "./route.ts";

export interface Agreement {
  route: Route;
  producer: ProducerEnd | null;
  consumer: ConsumerEnd | null;
}

/** What is said of a peer that stops before both are agreed. */
export const UNFINISHED = "the peer connected, but did not finish the handshake";

/** The peer is not whom this side waits for, or the other way round: the link is of no use, the wait goes on. */
export class Mismatch extends Error {}

export interface Hello {
  role: string;
  profile: ChannelProfile;
  location: ProcessLocation;
  /** As in Party. */
  place: string | null;
  /** Transports that it asks for. */
  wishes: TransportName[];
  pin?: TransportName;
}

/** Two hashes. */
const PLACE_MAX = 200;

/** This side's first word. */
export function greet(link: Link, party: Party): void {
  const { role, location, place, profile, pin } = party;
  try {
    link.send(MESSAGE.hello, { role, location, place, profile, wishes: wishes(party), pin });
  } catch (error) {
    // A peer of another version has gone already, but said so before: that is read next.
    if (!isCode(error, "PEER_DIED")) throw error;
  }
}

/** The peer's first word, or null while it has not come. */
export function hearHello(link: Link, { role }: Party): Hello | null {
  const value = hear(link, MESSAGE.hello);
  return value === undefined ? null : readHello(value, role);
}

/** The rest, once both have said hello. `wake` is for what an end waits for that is not the peer. */
export async function shakeHands(
  link: Link,
  peer: Hello,
  party: Party,
  deadline: Deadline,
  wake: () => void,
): Promise<Agreement> {
  const { role, location, profile, pin, allocator } = party;
  const connected = link instanceof HostLink;
  // Two ranks of one job meet in one way only, or each might wait for the other on another link.
  if (connected && meetsInJob(party.place, peer.place)) throw new Mismatch("a rank that is met through the job");
  const objection = unexpected(party.expected, peer.location);
  const pins = [pin, peer.pin].filter((name) => name !== undefined);
  const examined = [...wishes(party), ...peer.wishes].filter((name) => pins.every((pinned) => pinned === name));
  const abilities = objection === null ? capabilities(party, new Set(examined)) : {};
  link.send(MESSAGE.verdict, { ok: objection === null, reason: objection, abilities });
  const verdict = readVerdict(await next(link, MESSAGE.verdict, deadline));
  if (objection !== null) throw new Mismatch(objection);
  if (!verdict.ok) throw new Mismatch(`the peer expects somebody else: ${verdict.reason}`);

  const meeting: Meeting = {
    name: party.name,
    role,
    scope: detectScope(location, peer.location),
    mine: location,
    peer: peer.location,
    // One ring serves both: the producer's wish counts.
    profile: role === "producer" ? profile : peer.profile,
    pins,
    connected,
    job: party.job,
    allocator,
    abilities: (transport) => ({ mine: abilities[transport], peer: verdict.abilities[transport] }),
  };
  const { viable, rejected } = candidates(meeting);
  for (const transport of viable) {
    const { terms, ...tried } = await (role === "producer" ? offer : accept)(link, meeting, transport, deadline, wake);
    if ("reason" in tried) {
      rejected.push({ transport: transport.name, reason: tried.reason });
      continue;
    }
    for (const slower of viable.slice(viable.indexOf(transport) + 1)) {
      rejected.push({ transport: slower.name, reason: `${transport.name} is faster` });
    }
    const reason = transport.reason(meeting, terms);
    const route: Route = { transport: transport.name, scope: meeting.scope, reason, rejected, peer: peer.location };
    return { producer: null, consumer: null, ...tried, route };
  }
  throw noRoute(party.name, meeting, rejected);
}

async function offer(
  link: Link,
  meeting: Meeting,
  transport: Transport,
  deadline: Deadline,
  wake: () => void,
): Promise<({ producer: ProducerEnd } | { reason: string }) & { terms?: unknown }> {
  let offered: Offer;
  try {
    await transport.prepare?.(meeting, deadline);
    offered = transport.openProducer(link, meeting, wake);
  } catch (error) {
    if (isGone(error)) throw error;
    const reason = messageOf(error);
    link.send(MESSAGE.failed, reason);
    await next(link, MESSAGE.accepted, deadline); // the consumer's echo of it: both are in step again
    return { reason };
  }
  const { producer } = offered;
  try {
    const verdict = readVerdict(await next(link, MESSAGE.accepted, deadline));
    if (verdict.ok) {
      offered.agree(verdict.terms);
      return { producer, terms: verdict.terms };
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
  meeting: Meeting,
  transport: Transport,
  deadline: Deadline,
  wake: () => void,
): Promise<({ consumer: ConsumerEnd } | { reason: string }) & { terms?: unknown }> {
  let acceptance: Acceptance | null = null;
  let opened: ReturnType<Acceptance["poll"]> = null;
  try {
    await transport.prepare?.(meeting, deadline);
    acceptance = transport.openConsumer(link, meeting, wake);
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
    link.send(MESSAGE.accepted, { ok: true, reason: null, terms: opened.terms });
    return opened;
  } catch (error) {
    opened.consumer.close(); // the producer died meanwhile: what was mapped of it goes too
    throw error;
  }
}

async function next(link: Link, kind: number, deadline: Deadline): Promise<unknown> {
  for (;;) {
    const value = hear(link, kind);
    if (value !== undefined) {
      deadline.moved();
      return value;
    }
    deadline.check(UNFINISHED);
    await deadline.pause();
  }
}

/** The value of the next message, which has to be of this kind; undefined while there is none. */
function hear(link: Link, kind: number): unknown {
  const message = link.receive();
  if (message === null) return undefined;
  if (message.kind === kind) return message.value;
  throw new LavaFlowError("CORRUPT_SEGMENT", `the peer's handshake sent message ${message.kind} instead of ${kind}`);
}

/** Whether two are ranks of one job whom its directory brings together. */
function meetsInJob(mine: string | null, peer: string | null): boolean {
  return mine !== null && peer !== null && mine !== peer && mine.split(":")[0] === peer.split(":")[0];
}

function isGone(error: unknown): boolean {
  return isCode(error, "PEER_DIED", "WIRE_VERSION_MISMATCH");
}

/** The time is up, or the caller's signal was aborted: of no importance to the transport. */
function isOver(error: unknown): boolean {
  return isCode(error, "TIMEOUT", "ABORTED");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The peer's words are checked like any input: they came from another process. */
function readHello(value: unknown, role: string): Hello {
  const hello = value as Partial<Record<keyof Hello, unknown>> | null;
  const bad = (field: string) => new LavaFlowError("CORRUPT_SEGMENT", `the peer's hello has no valid ${field}`);
  if (typeof hello !== "object" || hello === null) throw bad("form");
  if ((hello.role !== "producer" && hello.role !== "consumer") || hello.role === role) throw bad("role");
  if (!PROFILES.includes(hello.profile as ChannelProfile)) throw bad("profile");
  if (hello.pin !== undefined && !TRANSPORT_NAMES.includes(hello.pin as TransportName)) throw bad("pin");
  const { place = null, wishes: wished } = hello;
  if (place !== null && (typeof place !== "string" || place.length > PLACE_MAX)) throw bad("place");
  if (!Array.isArray(wished) || !wished.every((name) => TRANSPORT_NAMES.includes(name))) throw bad("wishes");
  try {
    return { ...hello, place, location: validateLocation(hello.location) } as Hello;
  } catch {
    throw bad("location");
  }
}

interface Verdict {
  ok: boolean;
  reason: string;
  abilities: Record<string, unknown>;
  terms: unknown;
}

function readVerdict(value: unknown): Verdict {
  const verdict = value as Partial<Record<keyof Verdict, unknown>> | null;
  if (typeof verdict !== "object" || verdict === null || typeof verdict.ok !== "boolean") {
    throw new LavaFlowError("CORRUPT_SEGMENT", "the peer's verdict has no valid form");
  }
  // It ends up in an error message: no control characters of the peer may reach a terminal.
  return {
    ok: verdict.ok,
    reason: String(verdict.reason)
      .slice(0, 1000)
      .replace(/\p{Cc}/gu, " "),
    abilities: (verdict.abilities ?? {}) as Record<string, unknown>, // of any form; each is looked at by its transport
    terms: verdict.terms,
  };
}

function unexpected(expected: Partial<ProcessLocation> | undefined, peer: ProcessLocation): string | null {
  for (const [field, wanted] of Object.entries(expected ?? {})) {
    const got = peer[field as keyof ProcessLocation];
    if (wanted !== undefined && got !== wanted) return `expected ${field} ${wanted}, the peer has ${got}`;
  }
  return null;
}
