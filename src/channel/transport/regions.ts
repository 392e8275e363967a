/** The regions that the shim has mapped for one end of a channel, as ArrayBuffers and views of them. */
import { detach, viewOf } from "../../native/handle.ts";
import { REGION_INFO } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";

export interface Mapping {
  /** 0 if the region is not mapped. */
  address: number;
  sizeBytes: number;
  /** GPU memory: bytes that the producer's driver allocated. */
  allocationBytes: number;
  /** The shim's handle of a MemoryBuffer; 0 for pooled blocks, and for memory of another GPU. */
  memory: number;
  /** LF_REGION_... */
  kind: number;
  hostVisible: boolean;
}

const info = new Uint8Array(new ArrayBuffer(REGION_INFO.sizeof));
const fields = new DataView(info.buffer);

interface Region extends Mapping {
  buffer: ArrayBuffer | null;
}

export class Regions {
  readonly #regions = new Map<number, Region>();
  /** The last view of each block, and its region. Equal sizes in a row reuse the view. */
  readonly #views: (Uint8Array<ArrayBuffer> | undefined)[] = [];
  readonly #viewRegions: number[] = [];
  readonly #describe: (id: number, out: Uint8Array) => number;

  /** `describe` is a function of the shim that writes a REGION_INFO. */
  constructor(describe: (id: number, out: Uint8Array) => number) {
    this.#describe = describe;
  }

  mapping(id: number): Mapping {
    return this.#region(id);
  }

  /** `length` bytes at `offset` of a region, which are the block number `block`. */
  view(id: number, block: number, offset: number, length: number): Uint8Array<ArrayBuffer> {
    const known = this.#views[block];
    if (known !== undefined && known.length === length && this.#viewRegions[block] === id) return known;
    const region = this.#region(id);
    if (region.buffer?.detached) region.buffer = null; // the user transferred it
    region.buffer ??= viewOf(region.address, region.sizeBytes);
    const view = new Uint8Array(region.buffer, offset, length);
    this.#views[block] = view;
    this.#viewRegions[block] = id;
    return view;
  }

  /** Detaches every view of the region, before the shim unmaps it. */
  detach(id: number): void {
    const region = this.#regions.get(id);
    if (!region) return;
    this.#regions.delete(id);
    if (region.buffer) detach(region.buffer);
  }

  detachAll(): void {
    for (const id of [...this.#regions.keys()]) this.detach(id);
  }

  #region(id: number): Region {
    let region = this.#regions.get(id);
    if (region) return region;
    check(native(), this.#describe(id, info));
    region = {
      address: Number(fields.getBigUint64(REGION_INFO.address, true)),
      sizeBytes: fields.getFloat64(REGION_INFO.size, true),
      allocationBytes: fields.getFloat64(REGION_INFO.allocation, true),
      memory: fields.getInt32(REGION_INFO.memory, true),
      kind: fields.getUint32(REGION_INFO.kind, true),
      hostVisible: fields.getUint32(REGION_INFO.host_visible, true) === 1,
      buffer: null,
    };
    this.#regions.set(id, region);
    return region;
  }
}
