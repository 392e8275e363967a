/** What a rank that waits for its job says that it waits for. */
import { afterEach, expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { joiningText } from "../../src/channel/job/job.ts";
import { CONSTANTS } from "../../src/native/layout.ts";
import { native } from "../../src/native/load.ts";

const shim = native() as { lf_job_awaits: () => number };
const awaits = shim.lf_job_awaits;
afterEach(() => {
  shim.lf_job_awaits = awaits;
});

test("joining names the ranks that have not begun to join", () => {
  shim.lf_job_awaits = () => CONSTANTS.LF_JOB_RANKS;
  expect(joiningText()).toContain("not all did");
});

test("joining names the interfaces, and how to choose one, if the network does not connect the hosts", () => {
  shim.lf_job_awaits = () => CONSTANTS.LF_JOB_NETWORK;
  const text = joiningText();
  expect(text).not.toContain("not all did");
  expect(text).toContain("the network that MPI chose does not join their hosts");
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    for (const { internal, family, cidr } of addresses) {
      if (!internal && family === "IPv4") expect(text).toContain(`${name} ${cidr}`);
    }
  }
  for (const variable of ["OMPI_MCA_btl_tcp_if_include", "UCX_NET_DEVICES", "FI_TCP_IFACE"]) {
    expect(text).toContain(variable);
  }
});
