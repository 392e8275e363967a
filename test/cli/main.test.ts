import { describe, expect, test } from "bun:test";
import { version } from "../../package.json";
import { PATIENT, Scratch } from "./cli.ts";

const scratch = new Scratch();

describe("lava-flow", () => {
  test(
    "--version and --help go to standard output",
    async () => {
      const about = await scratch.run(["--version"]);
      expect(about).toMatchObject({ text: `${version}\n`, errors: "", code: 0 });
      const help = await scratch.run(["--help"]);
      expect(help).toMatchObject({ errors: "", code: 0 });
      for (const command of ["demo", "send", "recv", "doctor"]) expect(help.text).toContain(`\n  ${command} `);
    },
    PATIENT,
  );

  test.each(["demo", "send", "recv", "doctor"])(
    "%s --help shows its own usage",
    async (command) => {
      const help = await scratch.run([command, "--help"]);
      expect(help).toMatchObject({ errors: "", code: 0 });
      expect(help.text).toStartWith(`Usage: lava-flow ${command}`);
      for (const line of help.text.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    },
    PATIENT,
  );

  test.each([
    ["no command", [], "no command given"],
    ["an unknown command", ["teleport"], 'unknown command "teleport"'],
    ["a name that every object has", ["toString"], 'unknown command "toString"'],
    ["an unknown option", ["send", "x", "--fast"], "Unknown option '--fast'"],
    ["a missing name", ["recv"], "an argument is missing"],
    ["too many arguments", ["send", "x", "y", "z"], 'unexpected argument "z"'],
    ["a timeout that is no number", ["send", "x", "--timeout", "soon"], "--timeout takes seconds"],
    ["a negative timeout", ["send", "x", "--timeout=-1"], "--timeout takes seconds"],
    ["an empty timeout", ["send", "x", "--timeout="], "--timeout takes seconds"],
    ["half a message", ["demo", "--messages", "0.5"], "--messages takes a whole number"],
  ])(
    "%s: exit code 2 and the usage",
    async (_what, args, message) => {
      const { code, text, errors } = await scratch.run(args);
      expect(code).toBe(2);
      expect(text).toBe("");
      expect(errors).toStartWith(`lava-flow: ${message}`);
      expect(errors).toContain("\nUsage: lava-flow ");
    },
    PATIENT,
  );

  test(
    "a failure prints its message and its remedy; LAVA_FLOW_DEBUG=1 adds the stack",
    async () => {
      const args = ["send", "a/b", "--timeout", "1"];
      const { code, text, errors } = await scratch.run(args);
      expect(code).toBe(1);
      expect(text).toBe("");
      expect(errors).toMatch(/^lava-flow: INVALID_ARGUMENT: name is "a\/b"\nGive .*\.\n$/);
      const loud = await scratch.run(args, { env: { LAVA_FLOW_DEBUG: "1" } });
      expect(loud.code).toBe(1);
      expect(loud.errors).toMatch(/\n {4}at /);
    },
    PATIENT,
  );
});
