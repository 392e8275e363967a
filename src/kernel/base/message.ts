/** A message inside the library: kernels by their numbers, the payload in bytes. */
import type { HlcTimestamp } from "./clock.ts";

/** 3 goes first. */
export type Priority = 0 | 1 | 2 | 3;

/** A message on its way. Whoever takes one copies the payload. */
export interface Message {
  /** Another one for each message of the runtime. */
  id: number;
  /** What the user calls it; a whole number from 0. */
  type: number;
  priority: Priority;
  /** 0: none. */
  correlationId: number;
  payload: Uint8Array;
  timestamp: HlcTimestamp;
  /** When it is worthless, microseconds of the clock; 0: never. */
  deadlineMicros: number;
  /** Numbers of kernels; 0: the host. */
  source: number;
  destination: number;
}
