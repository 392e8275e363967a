/** From a name to a peer with whom everything is agreed. Until then, a peer that dies or is another one does not matter. */
import { LavaFlowError } from "../errors.ts";
import { validateLocation } from "../location.ts";
import type { Limits } from "../native/limits.ts";
import { Deadline } from "./deadline.ts";
import { type Agreement, Mismatch, shakeHands } from "./handshake.ts";
import type { Link } from "./link.ts";
import { Rendezvous } from "./rendezvous.ts";
import type { Party } from "./transport/transport.ts";

export interface Meeting {
  agreement: Agreement;
  link: Link;
  rendezvous: Rendezvous;
}

/** `wake` is called when something has come that an end waits for and the peer does not ring for. */
export async function meet(given: Party, limits: Limits, wake: () => void): Promise<Meeting> {
  const party = { ...given, location: validateLocation(given.location) };
  const deadline = new Deadline(limits);
  deadline.check(`opening "${party.name}"`);
  const rendezvous = new Rendezvous(party.name, party.role);
  let last = "";
  try {
    for (;;) {
      const link = rendezvous.poll();
      if (link) {
        try {
          const agreement = await shakeHands(link, party, deadline, wake);
          rendezvous.settle();
          return { agreement, link, rendezvous };
        } catch (error) {
          link.close();
          if (!passes(error)) throw error;
          if (last === "" || error instanceof Mismatch) last = ` (the last peer: ${error.message})`;
          deadline.settle();
        }
      }
      deadline.check(() => nobody(party, rendezvous) + last);
      await deadline.pause();
    }
  } catch (error) {
    rendezvous.close();
    throw error;
  }
}

/** A peer that went away, was not the right one or did not finish: another may come, as long as there is time. */
function passes(error: unknown): error is Error {
  const code = error instanceof LavaFlowError ? error.code : null;
  return error instanceof Mismatch || code === "PEER_DIED" || code === "TIMEOUT";
}

function nobody(party: Party, rendezvous: Rendezvous): string {
  const other = party.role === "producer" ? "consumer" : "producer";
  const { count, lastUid } = rendezvous.refused();
  const refused = count > 0 ? ` (${count} peers of other users were turned away, the last of user ${lastUid})` : "";
  return `no ${other} opened "${party.name}" in ${rendezvous.directory}${refused}`;
}
