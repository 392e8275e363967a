/**
 * What every transport has to do, whatever carries its bytes. A transport's test file runs all of it:
 *
 *     conformance({ transport: "shm", shares: true, start: inProcess });
 */
import type { TransportName } from "../../src/index.ts";
import { connecting } from "./conformance/connecting.ts";
import { holding } from "./conformance/holding.ts";
import { leaving } from "./conformance/leaving.ts";
import { loans } from "./conformance/loans.ts";
import { memory } from "./conformance/memory.ts";
import { payloads } from "./conformance/payloads.ts";
import { receiving } from "./conformance/receiving.ts";
import { sending } from "./conformance/sending.ts";
import type { OtherProcess, Start } from "./peers.ts";

export interface Setting {
  /** Every channel is pinned to it. */
  transport: TransportName;
  /** Whether the two sides share memory; where they don't, buffers travel as their bytes. */
  shares: boolean;
  /** Starts the other side where this transport finds it: in another process, on another host. */
  start: Start<OtherProcess>;
}

export function conformance(setting: Setting): void {
  connecting(setting);
  payloads(setting);
  sending(setting);
  receiving(setting);
  loans(setting);
  memory(setting);
  holding(setting);
  leaving(setting);
}
