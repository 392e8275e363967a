/** The GPUs that an allocator may use. The first use opens a GPU; the allocator's close releases it. */
import { invalidArgument, type LavaFlowError } from "../errors.ts";
import { GpuDevice, type GpuInfo, listGpus, notFound, noVulkan } from "../gpu/device.ts";
import type { Unavailable } from "./topology.ts";

/** The GPUs that an allocator uses: all in hardware, none, or those with these indices in `topology.gpus`. */
export type DeviceChoice = "auto" | "none" | readonly number[];

export class Devices {
  readonly #choice: DeviceChoice;
  readonly #held = new Map<number, GpuDevice>();

  /** INVALID_ARGUMENT; GPU_DEVICE_NOT_FOUND when a named GPU does not exist or can't be used. */
  constructor(choice: DeviceChoice) {
    const valid = Array.isArray(choice)
      ? choice.every((device) => Number.isInteger(device) && device >= 0)
      : choice === "auto" || choice === "none";
    if (!valid) throw invalidArgument("devices", choice, '"auto", "none" or a list of device indices');
    this.#choice = Array.isArray(choice) ? [...choice] : choice;
    if (Array.isArray(choice)) for (const device of choice) this.#find(device);
  }

  /** The GPUs of the choice that can be used. */
  get usable(): readonly GpuInfo[] {
    return this.#listed().filter(({ missing }) => missing === null);
  }

  /** Why no GPU is used by default, and why single GPUs can't be used. */
  get unavailable(): Unavailable[] {
    const broken = this.#listed().flatMap(({ index, name, missing }) => {
      return missing === null ? [] : [{ feature: `gpu ${index}`, reason: `${name}: ${missing}` }];
    });
    const reason = this.refusal();
    return reason === null ? broken : [{ feature: "gpu", reason: reason.reason }, ...broken];
  }

  /** Whether the allocator has used a GPU. */
  get inUse(): boolean {
    return this.#held.size > 0;
  }

  /**
   * Why `device`, or the default GPU, is not used; null where it can be. A location only prefers a GPU, so a software GPU is
   * refused unless the allocator's `devices` name it or it is in use already.
   */
  refusal(device?: number): LavaFlowError | null {
    try {
      const { index, name, type } = this.#find(device);
      if (type !== "cpu" || Array.isArray(this.#choice) || this.#held.has(index)) return null;
      return notFound(
        `GPU ${index} (${name}) is a software device: it is used only when the allocator's devices name it`,
      );
    } catch (error) {
      return error as LavaFlowError;
    }
  }

  /**
   * The GPU of that index; by default the first that `devices` named, else the first in hardware. `close` releases it.
   * GPU_DEVICE_NOT_FOUND with the reason.
   */
  open(device?: number): GpuDevice {
    const { index } = this.#find(device);
    let held = this.#held.get(index);
    if (!held) this.#held.set(index, (held = GpuDevice.open(index)));
    return held;
  }

  /** Opens the GPU with that UUID; null where the allocator has none with it. */
  withUuid(deviceUuid: string): GpuDevice | null {
    const gpu = this.usable.find((each) => each.deviceUuid === deviceUuid.toLowerCase());
    return gpu ? this.open(gpu.index) : null;
  }

  close(): void {
    for (const device of this.#held.values()) device.release();
    this.#held.clear();
  }

  #listed(): readonly GpuInfo[] {
    if (this.#choice === "none") return [];
    if (this.#choice === "auto") return listGpus();
    return this.#choice.flatMap((index) => listGpus()[index] ?? []);
  }

  #find(device: number | undefined): GpuInfo {
    if (this.#choice === "none") throw notFound('GPUs are switched off by devices: "none"');
    const failure = noVulkan();
    if (failure) throw notFound(failure.reason, failure);
    const listed = this.#listed();
    const gpu =
      device === undefined
        ? listed.find(({ type, missing }) => missing === null && (type !== "cpu" || Array.isArray(this.#choice)))
        : listed.find(({ index }) => index === device);
    if (gpu && gpu.missing === null) return gpu;
    const what = device === undefined ? "no GPU in hardware" : gpu ? `GPU ${device}` : `there is no GPU ${device}`;
    throw notFound(
      `${what}: ${(gpu ? [gpu] : listed).map(describe).join("; ") || "the allocator's devices name none"}`,
    );
  }
}

function describe({ index, name, type, missing }: GpuInfo): string {
  const note = missing ?? (type === "cpu" ? "a software device, used only when it is named" : "can be used");
  return `GPU ${index} is ${name} (${note})`;
}
