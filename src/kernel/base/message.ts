/** A message inside the library: kernels by their numbers, the payload in bytes. */
import type { HlcTimestamp } from "./clock.ts";

/** 3 is handled first. */
export type Priority = 0 | 1 | 2 | 3;

/** A message in flight. A receiver that keeps one copies the payload. */
export interface Message {
  /** Each message of the runtime has its own. */
  id: number;
  /** The user's type, a whole number from 0. */
  type: number;
  priority: Priority;
  /** 0: none. */
  correlationId: number;
  payload: Uint8Array;
  timestamp: HlcTimestamp;
  /** The time after which the message is dropped, microseconds since 1970; 0: never. */
  deadlineMicros: number;
  /** Numbers of kernels; 0: the host. */
  source: number;
  destination: number;
}
