/** Opens a channel: one producer, one consumer, frames in order, on the fastest transport that both sides can prove. */
import { callOf, isCode, nameChannel, putFirst, sourceLineOf } from "../errors.ts";
import { ProcessLocation } from "../location.ts";
import { MemoryAllocator } from "../memory/allocator.ts";
import { Consumer } from "./consumer.ts";
import { EventFd } from "./wait/event.ts";
import "./job/launch.ts"; // on import: children of this process must be able to tell that they are no ranks
import { type ChannelOptions, checkOptions } from "./options.ts";
import { Producer } from "./producer.ts";
import type { Rx } from "./transport/rx.ts";
import type { Tx } from "./transport/tx.ts";
import { WaitQueue } from "./wait/wait-queue.ts";

/** Errors after which the channel moves no frames. */
const LOST = ["PEER_DIED", "CHANNEL_CLOSED", "CORRUPT_SEGMENT"] as const;

export class Channel {
  private constructor() {}

  /**
   * Connects to the peer under a name. Both sides learn the other's location and agree on the fastest transport.
   *
   * A name has 1 to 64 bytes of UTF-8 and no slash, backslash or NUL. Rejects with INVALID_ARGUMENT, NAME_IN_USE (a
   * living process has this role), PERMISSION_DENIED (the runtime directory, or a peer of another user),
   * WIRE_VERSION_MISMATCH, NO_ROUTE (with every reason), TIMEOUT or ABORTED.
   */
  static open<Role extends ChannelOptions["role"]>(
    name: string,
    options: ChannelOptions & { role: Role },
  ): Promise<{ producer: Producer; consumer: Consumer }[Role]>;
  static async open(name: string, options: ChannelOptions): Promise<Producer | Consumer> {
    checkOptions(name, options);
    const {
      role,
      profile = "cpu-shared",
      location = ProcessLocation.detect(),
      peer,
      transport,
      scope = "job",
    } = options;
    const allocator = options.allocator ?? new MemoryAllocator();
    const call = callOf(Channel.open);
    const openedAt = sourceLineOf(call);
    const party = { name, role, location, profile, allocator, pin: transport, expected: peer, scope, openedAt };
    // A producer retries every 20 ms: the link itself sends no event when it can take data again.
    const queue = new WaitQueue(name, role === "producer" ? 20 : 0, openedAt);
    const drains = new WaitQueue(name, 20, openedAt);
    const flights = new WaitQueue(name, 0, openedAt);
    let leaveName = () => {};
    // A failed channel gives its role back, so that the next open can connect to a restarted peer. Frames and loans stay
    // valid until `close`.
    const failed = (error: unknown) => {
      if (!isCode(error, ...LOST)) return;
      nameChannel(error, name);
      leaveName();
    };
    // After a sleep no code is in the caches: each call avoided here wakes the user's code 1 to 10 µs sooner.
    const wake = (failure?: unknown) => {
      if (failure !== undefined) failed(failure);
      if (!flights.idle) flights.wake();
      queue.wake();
      if (!drains.idle) drains.wake();
    };
    const closeAllocator = () => {
      if (allocator !== options.allocator) allocator.close();
    };
    // Loads half of the package, for programs that open a channel only. Synchronously: `open` takes the role before it returns.
    const { connect } = require("./connect/connect.ts") as typeof import("./connect/connect.ts");
    const connected = await connect(party, options, wake).catch((error) => {
      closeAllocator();
      putFirst(error, call);
      throw error;
    });
    const { agreement, link } = connected;
    leaveName = () => connected.leave();
    const end = (agreement.producer ?? agreement.consumer) as Tx | Rx;
    let event: EventFd | null = null;
    const leave = () => {
      end.close();
      event?.close();
      link.close();
      leaveName();
      closeAllocator();
    };
    try {
      event = await EventFd.open(end.eventFd(), (ended) => {
        end.notified(ended);
        wake();
      });
      const { producer, consumer } = agreement;
      const busyPoll = (poll: (spins: number) => boolean) => (end.busyPolls ? poll : null);
      queue.attach(
        event,
        busyPoll((spins) => producer?.moved("credits", spins) ?? consumer?.moved(spins) ?? false),
        failed,
      );
      drains.attach(
        event,
        busyPoll((spins) => producer?.moved("released", spins) ?? false),
        failed,
      );
      flights.attach(event, null, failed);
      producer?.releases?.attach(event, openedAt, failed);
    } catch (error) {
      leave();
      putFirst(error, call);
      throw error;
    }
    const { route, producer, consumer } = agreement;
    const shared = { name, route, queue, drains, flights, leave, failed };
    if (producer) return new Producer({ ...shared, end: producer });
    return new Consumer({ ...shared, end: consumer as Rx });
  }
}
