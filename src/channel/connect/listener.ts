/** Where a peer connects: on this host or in the MPI job. Each listener holds one role under one name. */
import type { Link } from "../wire/link.ts";

export interface Listener {
  /** A connection to a peer of the other role; null while none has come. Never blocks. */
  poll(): Link | null;
  /** Completes "no consumer opened NAME …" in an error message. */
  describe(): string;
  /** Refuses every later peer, and keeps the role. */
  stop(): void;
  /** Gives the role back. */
  close(): void;
}
