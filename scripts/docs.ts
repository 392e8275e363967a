/**
 * `bun run docs`: writes the API reference of package.json's exports to api/. A link that leads nowhere fails, and so does
 * an export without a comment; typedoc.json has the rules.
 */
import { join } from "node:path";
import { exports } from "../package.json" with { type: "json" };
import { type Finished, ROOT, run } from "./run.ts";

/** With "none" the comments are checked, and nothing is written. */
export function apiReference(emit: "docs" | "none"): Promise<Finished> {
  const program = join(ROOT, "node_modules/typedoc/dist/cli.js");
  const entries = Object.values(exports).flatMap((each) =>
    typeof each === "string" ? [] : ["--entryPoints", each.bun],
  );
  return run([process.execPath, "--preload", join(ROOT, "scripts/typedoc.ts"), program, "--emit", emit, ...entries]);
}

if (import.meta.main) {
  const { ok, output } = await apiReference("docs");
  console.log(output.trim());
  process.exit(ok ? 0 : 1);
}
