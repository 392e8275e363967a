/** The shim's own declarations of CUDA, OpenCL, EGL and OpenGL against the official headers, as a C compiler sees both. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { compile, constants, hasZig, SAME, SOURCE } from "../declarations.ts";
import { requires } from "../requires.ts";

const SAME_TYPE = (result: string) =>
  `#define SAME_TYPE(${result}name, arguments) _Static_assert(__builtin_types_compatible_p(` +
  `${result ? "result" : "CUresult"}(*) arguments, __typeof__(&name)), #name);`;

const OPENCL: Record<string, string> = {
  LF_CL_SUCCESS: "CL_SUCCESS",
  LF_CL_PLATFORM_NOT_FOUND: "CL_PLATFORM_NOT_FOUND_KHR",
  LF_CL_DEVICE_UUID: "CL_DEVICE_UUID_KHR",
  LF_CL_DEVICE_HANDLE_LIST: "CL_DEVICE_HANDLE_LIST_KHR",
  LF_CL_MEMORY_OPAQUE_FD: "CL_EXTERNAL_MEMORY_HANDLE_OPAQUE_FD_KHR",
  LF_CL_MEMORY_OPAQUE_WIN32: "CL_EXTERNAL_MEMORY_HANDLE_OPAQUE_WIN32_KHR",
  LF_CL_SEMAPHORE_TYPE: "CL_SEMAPHORE_TYPE_KHR",
  LF_CL_SEMAPHORE_TYPE_BINARY: "CL_SEMAPHORE_TYPE_BINARY_KHR",
  LF_CL_SEMAPHORE_OPAQUE_FD: "CL_SEMAPHORE_HANDLE_OPAQUE_FD_KHR",
  LF_CL_SEMAPHORE_OPAQUE_WIN32: "CL_SEMAPHORE_HANDLE_OPAQUE_WIN32_KHR",
};

describe.skipIf(!hasZig)("declarations", () => {
  const openCl = "/usr/include/CL/cl_ext.h";
  const hasOpenCl = requires("zig", existsSync(openCl), `no ${openCl} (opencl-headers)`);
  test.skipIf(!hasOpenCl)("of OpenCL", async () => {
    const lines = [
      "#define CL_TARGET_OPENCL_VERSION 300\n#define CL_ENABLE_BETA_EXTENSIONS",
      "#include <CL/cl.h>\n#include <CL/cl_ext.h>",
      '#include "interop/opencl_api.h"',
      SAME,
      SAME_TYPE("result, "),
      "LF_OPENCL_FUNCTIONS(SAME_TYPE) LF_OPENCL_MEMORY_FUNCTIONS(SAME_TYPE) LF_OPENCL_SEMAPHORE_FUNCTIONS(SAME_TYPE)",
      ...constants("interop/opencl_api.h", "LF_CL_", (name) => OPENCL[name] ?? name.replace(/^LF_/, "")),
    ];
    expect(await compile(lines, ["/usr/include"])).toBe("");
    // The program must refuse a wrong declaration.
    expect(await compile([...lines, "SAME(LF_CL_MEM_SIZE, CL_MEM_TYPE);"], ["/usr/include"])).toContain(
      "LF_CL_MEM_SIZE",
    );
  });

  const openGl = ["/usr/include/EGL/eglext.h", "/usr/include/GL/glext.h"];
  const hasOpenGl = requires(
    "zig",
    openGl.every((path) => existsSync(path)),
    `no ${openGl.join(", ")} (libegl-dev, libgl-dev)`,
  );
  test.skipIf(!hasOpenGl)("of EGL and OpenGL", async () => {
    const lines = [
      "#define EGL_EGLEXT_PROTOTYPES\n#define GL_GLEXT_PROTOTYPES",
      "#include <EGL/egl.h>\n#include <EGL/eglext.h>\n#include <GL/gl.h>\n#include <GL/glext.h>",
      '#include "interop/opengl_api.h"',
      SAME,
      SAME_TYPE("result, "),
      "LF_EGL_FUNCTIONS(SAME_TYPE) LF_GL_FUNCTIONS(SAME_TYPE) LF_EGL_DEVICE_FUNCTIONS(SAME_TYPE)",
      ...constants("interop/opengl_api.h", "LF_(?:EGL|GL)_", (name) => {
        const official = name.replace(/^LF_/, "");
        return /PLATFORM_DEVICE|UUID|DEDICATED|HANDLE_TYPE/.test(name) ? `${official}_EXT` : official;
      }),
    ];
    expect(await compile(lines, ["/usr/include"])).toBe("");
  });

  // CUDA's header is not free to be installed everywhere: its structs are compared with their known sizes too.
  test("of CUDA, in themselves", async () => {
    const sizes = { memory_handle: 104, mapped_buffer: 88, semaphore_handle: 96, semaphore_params: 144, access: 12 };
    const lines = Object.entries(sizes).map(([name, size]) => `SAME(sizeof(lf_cu_${name}), ${size});`);
    expect(await compile(['#include "cuda/cuda_api.h"', SAME, ...lines], [])).toBe("");
  });

  const cuda = [...new Glob("/usr/local/cuda*/include/cuda.h").scanSync()].sort().at(-1);
  if (cuda) {
    test(`of CUDA, in ${cuda}`, async () => {
      const structs: [string, string, string[]][] = [
        [
          "lf_cu_memory_handle",
          "CUDA_EXTERNAL_MEMORY_HANDLE_DESC",
          ["type", "handle.fd", "handle.win32.handle", "size", "flags"],
        ],
        ["lf_cu_mapped_buffer", "CUDA_EXTERNAL_MEMORY_BUFFER_DESC", ["offset", "size", "flags"]],
        [
          "lf_cu_semaphore_handle",
          "CUDA_EXTERNAL_SEMAPHORE_HANDLE_DESC",
          ["type", "handle.fd", "handle.win32.handle", "flags"],
        ],
        ["lf_cu_access", "CUmemAccessDesc", ["location.type", "location.id", "flags"]],
        ["lf_cu_semaphore_params", "CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS", ["flags"]],
        ["lf_cu_semaphore_params", "CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS", ["flags"]],
      ];
      const lines = [
        // By its path: the shim has a cuda.h too. From version 13 on it gives the old name to the new function.
        `#include "${cuda}"\n#undef cuDeviceGetUuid`,
        '#include "cuda/cuda_api.h"',
        SAME,
        SAME_TYPE(""),
        ...structs.flatMap(([own, official, fields]) => [
          `SAME(sizeof(${own}), sizeof(${official}));`,
          ...fields.map((field) => `SAME(offsetof(${own}, ${field}), offsetof(${official}, ${field}));`),
        ]),
        "SAME(offsetof(lf_cu_semaphore_params, params.value), offsetof(CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS, params.fence.value));",
        ...constants("cuda/cuda_api.h", "LF_CU_", officialCuda),
        ...cudaFunctions(),
      ];
      expect(await compile(lines, [])).toBe("");
    });
  }
});

function officialCuda(name: string): string {
  const rest = name.replace(/^LF_CU_/, "");
  const [, of, which] =
    /^(MEMORY|SEMAPHORE|SHAREABLE|POINTER|STREAM|EVENT|HOST_REGISTER|MEMORYTYPE|LOCATION|ACCESS)_(\w+)$/.exec(rest) ??
    [];
  switch (of) {
    case "MEMORY":
      if (which === "DEDICATED") return "CUDA_EXTERNAL_MEMORY_DEDICATED";
      return `CU_EXTERNAL_MEMORY_HANDLE_TYPE_${which}`;
    case "SEMAPHORE":
      return `CU_EXTERNAL_SEMAPHORE_HANDLE_TYPE_${(which as string).replace("TIMELINE_", "TIMELINE_SEMAPHORE_")}`;
    case "SHAREABLE":
      return which === "POSIX_FD" ? "CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR" : "CU_MEM_HANDLE_TYPE_WIN32";
    case "POINTER":
      return `CU_POINTER_ATTRIBUTE_${which}`;
    case "LOCATION":
      return `CU_MEM_LOCATION_TYPE_${which}`;
    case "ACCESS":
      return `CU_MEM_ACCESS_FLAGS_PROT_${which}`;
    case "HOST_REGISTER":
      return `CU_MEMHOSTREGISTER_${which}`;
    case "STREAM":
    case "EVENT":
    case "MEMORYTYPE":
      return `CU_${of}_${which}`;
    default:
      return rest === "SUCCESS" ? "CUDA_SUCCESS" : `CUDA_ERROR_${rest}`;
  }
}

/** The functions without structs and enumerations of CUDA's among their arguments: the shim has its own names for those. */
function cudaFunctions(): string[] {
  const text = readFileSync(join(SOURCE, "cuda/cuda_api.h"), "utf8");
  const all = [...text.matchAll(/F\((cu\w+),\s*\\?\s*(\([^\\]*?\))\)/g)];
  expect(all.length).toBeGreaterThan(35);
  const others =
    /lf_cu_|cuDeviceGetUuid|cuMemExportToShareableHandle|cuMemImportFromShareableHandle|cuMemSetAccess|cuPointerGetAttribute/;
  return all.filter(([whole]) => !others.test(whole)).map(([, name, args]) => `SAME_TYPE(${name}, ${args})`);
}
