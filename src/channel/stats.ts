/** The counters of the two ends of a channel, since `Channel.open`. */

export interface ProducerStats {
  framesSent: number;
  bytesSent: number;
  /** How often the queue was found full. */
  full: number;
  /** Frames that were sent and not yet released. */
  queued: number;
  /** Of these, what the consumer has received, as far as that can be known (not over MPI): large ones keep their room. */
  held: number;
  /** Buffers of the peer that are open here, kept for its next frames. */
  importsCached: number;
}

/** Counts of a consumer since it was opened. */
export interface ConsumerStats {
  framesReceived: number;
  bytesReceived: number;
  /** Frames that were committed and not yet received. */
  queued: number;
  /** Frames that were received and not released: large ones keep their room until then. */
  held: number;
  /** Buffers of the peer that are open here, kept for its next frames. */
  importsCached: number;
}
