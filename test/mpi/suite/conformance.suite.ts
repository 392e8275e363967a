/** All that a transport has to do, in a job: rank 0 runs this, the other ranks are the other sides of the tests. */
import { conformance } from "../../channel/conformance.ts";
import { nothingLeft } from "../../channel/support.ts";
import { helpers } from "./helpers.ts";

const coordinator = await helpers();
nothingLeft({ path: process.env.LAVA_FLOW_RUNTIME_DIR as string });
conformance({ transport: "mpi", shares: false, start: (scenario, args) => coordinator.start(scenario, args) });
