/** Over a GPU channel goes all that goes over shared memory, and as well. */
import { describe } from "bun:test";
import { validationIsSilent, vulkan } from "../gpu/support.ts";
import { conformance } from "./conformance.ts";
import { inProcess } from "./peers.ts";
import { privateDirectory } from "./support.ts";

privateDirectory();
describe.skipIf(!vulkan)("a channel over Vulkan", () =>
  conformance({ transport: "vulkan", shares: true, start: inProcess }),
);
validationIsSilent();
