/** Every struct, field and constant of shim/src/gpu/vulkan_api.h against the official headers, as a C compiler sees both. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requires } from "../requires.ts";

const source = join(import.meta.dir, "../../shim/src");
const include = "/usr/include";
const zig = join(import.meta.dir, "../../node_modules/.bin/zig");
const there =
  requires("zig", existsSync(zig), "no zig in node_modules") &&
  requires(
    "vulkan",
    existsSync(`${include}/vulkan/vulkan_core.h`),
    "no Vulkan headers (libvulkan-dev) to compare with",
  );

/** The shim declares only the first fields of these structs: it reads them and never makes one. */
const PARTIAL = ["VkDebugUtilsMessengerCallbackDataEXT"];

const folder = mkdtempSync(join(tmpdir(), "lf-vulkan-api-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The C expressions that must be equal under both headers. */
function expressions(header: string): { all: string[]; macros: string[] } {
  const text = header.replace(/\/\*[\s\S]*?\*\//g, "");
  const all: string[] = [];
  for (const [, body, name] of text.matchAll(/typedef struct \{([^}]*)\}\s*(\w+);/g)) {
    if (!PARTIAL.includes(name as string)) all.push(`sizeof(${name})`);
    for (const declaration of (body as string).split(";")) {
      for (const declarator of declaration.split(",")) {
        const field = /(\w+)\s*(\[\d+\])?\s*$/.exec(declarator)?.[1];
        if (field) all.push(`offsetof(${name}, ${field})`);
      }
    }
  }
  for (const [, body] of text.matchAll(/enum \{([^}]*)\}/g)) {
    for (const [, name] of (body as string).matchAll(/(VK_\w+)\s*=/g)) all.push(name as string);
  }
  const macros = [...text.matchAll(/#define (VK_\w+) /g)].map(([, name]) => name as string);
  return { all: [...all, ...macros], macros };
}

/** The official names stand in the file's scope and the shim's in a block's, where they hide them. */
function program({ all, macros }: ReturnType<typeof expressions>): string {
  return [
    "#include <stddef.h>\n#include <stdint.h>",
    "#include <vulkan/vulkan.h>",
    ...all.map((expression, i) => `enum { official_${i} = ${expression} };`),
    ...macros.map((name) => `#undef ${name}`),
    'void compare(void) {\n#include "gpu/vulkan_api.h"',
    ...all.map((expression, i) => `_Static_assert((${expression}) == official_${i}, "${expression}");`),
    "}\n",
  ].join("\n");
}

/** The compiler's first error; "" when it has none. */
async function compile(header: string, text: string, flags: readonly string[]): Promise<string> {
  const file = join(folder, "compare.c");
  await Bun.write(file, text);
  await Bun.write(join(folder, "gpu/vulkan_api.h"), header);
  const command = [
    zig,
    "cc",
    ...flags,
    "-w",
    "-iquote",
    folder,
    "-iquote",
    source,
    "-idirafter",
    include,
    "-c",
    file,
    "-o",
    `${file}.o`,
  ];
  const run = Bun.spawn(command, { stderr: "pipe" });
  const words = await run.stderr.text();
  return (await run.exited) === 0 ? "" : (words.split("\n").find((line) => line.includes("error:")) ?? words);
}

const targets = [
  ["x86_64-linux-gnu", []],
  ["x86_64-windows-gnu", ["-DVK_USE_PLATFORM_WIN32_KHR"]],
] as const;

for (const [target, flags] of targets) {
  test.skipIf(!there)(
    `the shim's declarations of Vulkan are the official ones: ${target}`,
    async () => {
      const header = await Bun.file(join(source, "gpu/vulkan_api.h")).text();
      const compared = expressions(header);
      expect(compared.all.length).toBeGreaterThan(500);
      // The Win32 structs are in the official headers only where that system is asked for.
      compared.all = compared.all.filter((expression) => flags.length > 0 || !/Win32Handle/.test(expression));
      const options = ["-target", target, ...flags];
      expect(await compile(header, program(compared), options)).toBe("");

      // The comparison sees a wrong value, and a wrong layout.
      const lost = header.replace("VK_ERROR_DEVICE_LOST = -4", "VK_ERROR_DEVICE_LOST = -5");
      expect(await compile(lost, program(compared), options)).toContain("VK_ERROR_DEVICE_LOST");
      const narrow = header.replace("typedef uint64_t VkDeviceSize", "typedef uint32_t VkDeviceSize");
      expect(await compile(narrow, program(compared), options)).toContain("sizeof(VkPhysicalDeviceLimits)");
    },
    120_000,
  );
}
