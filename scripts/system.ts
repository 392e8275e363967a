/** The system packages that some tests need. lava-flow itself needs none of them. */
import { run } from "./run.ts";

/** Debian's and Ubuntu's names. */
export const PACKAGES: { name: string; for: string }[] = [
  { name: "libnuma1", for: "NUMA placement of memory" },
  { name: "util-linux", for: "tests that become another user or hide a file (setpriv, unshare)" },
  { name: "wine64", for: "the C tests as Windows programs" },
  { name: "libvulkan1", for: "all that needs a GPU" },
  { name: "mesa-vulkan-drivers", for: "a GPU in software, where there is no other" },
  { name: "vulkan-validationlayers", for: "tests that have each Vulkan call checked" },
  { name: "libvulkan-dev", for: "a test of the shim's declarations of Vulkan" },
  { name: "opencl-headers", for: "a test of the shim's declarations of OpenCL" },
  { name: "libegl-dev", for: "a test of the shim's declarations of EGL" },
  { name: "libgl-dev", for: "a test of the shim's declarations of OpenGL" },
  { name: "libegl-mesa0", for: "OpenGL without a display" },
  { name: "libgl1-mesa-dri", for: "OpenGL in software" },
  { name: "openmpi-bin", for: "tests of jobs, and the benches, under Open MPI" },
  { name: "mpich", for: "the same under MPICH" },
  { name: "libopenmpi-dev", for: "a test of the shim's numbers of Open MPI" },
  { name: "libmpich-dev", for: "a test of the shim's numbers of MPICH" },
  { name: "chromium", for: "a test of the page of docs/examples/wave.ts" },
  { name: "chromium-driver", for: "the same" },
  { name: "iproute2", for: "tests of several hosts on one machine (network namespaces)" },
  { name: "munge", for: "tests under SLURM: its authentication" },
  { name: "slurmctld", for: "the same: its controller" },
  { name: "slurmd", for: "the same: the daemon of its nodes, which starts ranks" },
  { name: "slurm-client", for: "the same: srun, sbatch, scancel and scontrol" },
  { name: "slurm-wlm-basic-plugins", for: "the same: its plugins, PMIx and PMI-2 among them" },
];

function missingPackages(): typeof PACKAGES {
  return PACKAGES.filter(({ name }) => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholder is dpkg's
    const asked = Bun.spawnSync(["dpkg-query", "-W", "-f=${db:Status-Status}", name], { stderr: "ignore" });
    return asked.stdout.toString() !== "installed";
  });
}

/**
 * Installs the missing packages if it can. Returns a line for each package that is still missing, with the reason. That is no
 * failure, since the tests that need it report their skips.
 */
export async function installPackages(): Promise<string[]> {
  if (!Bun.which("apt-get") || !Bun.which("dpkg-query")) {
    const names = PACKAGES.map((each) => `${each.name} (${each.for})`).join(", ");
    return [`this system has no apt: see yourself that it has the like of Debian's ${names}`];
  }
  const missing = missingPackages();
  const reasons = new Map<string, string>();
  if (missing.length > 0 && process.getuid?.() === 0) {
    const apt = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120"];
    // The second variable keeps systemctl from starting services: tests start their own, with files of their own.
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", SYSTEMD_OFFLINE: "1" };
    await run([...apt, "update"], { env }); // If it fails, the present lists may be enough.
    for (const { name } of missing) {
      const { output } = await run([...apt, "install", "--no-install-recommends", name], { env });
      reasons.set(name, output.trim().split("\n").at(-1) ?? "");
    }
  }
  return missingPackages().map(
    (each) => `${each.name} is missing (${each.for}): ${reasons.get(each.name) ?? "only root can install it"}`,
  );
}
