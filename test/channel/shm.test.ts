/** Shared memory does all that a transport has to. */
import { conformance } from "./conformance.ts";
import { inProcess } from "./peers.ts";
import { privateDirectory } from "./support.ts";

privateDirectory();
conformance({ transport: "shm", shares: true, start: inProcess });
