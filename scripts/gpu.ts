/** The GPU of the tests, and the messages of Vulkan's validation layer. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const DRIVERS = "/usr/share/vulkan/icd.d";
/** The folders in which Vulkan's loader finds layers on Linux. */
const LAYERS = ["/etc", "/usr/local/etc", "/usr/share", "/usr/local/share"].map(
  (path) => `${path}/vulkan/explicit_layer.d`,
);

/** By the device files of NVIDIA, of the drivers in Linux itself, and of WSL. */
export function hardwareGpu(): boolean {
  if (existsSync("/dev/nvidiactl") || existsSync("/dev/dxg")) return true;
  return existsSync("/dev/dri") && readdirSync("/dev/dri").some((name) => name.startsWith("renderD"));
}

/** Without a GPU in hardware, selects Mesa's software device only: so the tests run on the same one on every such machine. */
export function driverEnvironment(): Record<string, string> {
  if (process.env.VK_DRIVER_FILES || hardwareGpu() || !existsSync(DRIVERS)) return {};
  const software = readdirSync(DRIVERS).find((name) => /^lvp_icd\..*json$/.test(name));
  return software ? { VK_DRIVER_FILES: join(DRIVERS, software) } : {};
}

export function validationLayer(): boolean {
  const folders = process.env.VK_LAYER_PATH ? process.env.VK_LAYER_PATH.split(":") : LAYERS;
  return folders.some((folder) => existsSync(join(folder, "VkLayer_khronos_validation.json")));
}

/** A file to which the validation layer's messages are appended, a line each (the shim's LAVA_FLOW_VALIDATION). */
export class ValidationFile implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "lava-flow-validation-"));
  readonly #path = join(this.#folder, "messages");

  /** Empty if the layer is missing: requesting it then is an error. */
  get environment(): Record<string, string> {
    return validationLayer() ? { LAVA_FLOW_VALIDATION: this.#path } : {};
  }

  messages(): string[] {
    return existsSync(this.#path) ? readFileSync(this.#path, "utf8").split("\n").filter(Boolean) : [];
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}
