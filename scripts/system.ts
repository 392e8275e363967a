/** The system packages that some tests need. Nothing of them is needed to use lava-flow. */
import { run } from "./run.ts";

/** Debian's and Ubuntu's names. */
export const PACKAGES: { name: string; for: string }[] = [
  { name: "libnuma1", for: "NUMA placement of memory" },
  { name: "wine64", for: "the C tests as Windows programs" },
];

function missingPackages(): typeof PACKAGES {
  return PACKAGES.filter(({ name }) => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholder is dpkg's
    const asked = Bun.spawnSync(["dpkg-query", "-W", "-f=${db:Status-Status}", name], { stderr: "ignore" });
    return asked.stdout.toString() !== "installed";
  });
}

/**
 * Installs what is missing, where that is possible. Returns a line for each package that is still missing afterwards,
 * with the reason: no failure, as the tests in question say themselves that they are skipped.
 */
export async function installPackages(): Promise<string[]> {
  if (!Bun.which("apt-get") || !Bun.which("dpkg-query")) {
    const names = PACKAGES.map((each) => `${each.name} (${each.for})`).join(", ");
    return [`this system has no apt: see yourself that it has the like of Debian's ${names}`];
  }
  let missing = missingPackages();
  let reason = "only root can install it";
  if (missing.length > 0 && process.getuid?.() === 0) {
    reason = "";
    const apt = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120"];
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    const commands = [
      [...apt, "update"],
      [...apt, "install", "--no-install-recommends", ...missing.map(({ name }) => name)],
    ];
    for (const command of commands) {
      const { ok, output } = await run(command, { env });
      if (!ok) reason = output.trim().split("\n").at(-1) ?? "apt-get failed";
    }
    missing = missingPackages();
  }
  return missing.map((each) => `${each.name} is missing (${each.for}): ${reason}`);
}
