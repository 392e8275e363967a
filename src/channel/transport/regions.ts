/** Shared memory that the shim has mapped for one end of a channel, as ArrayBuffers and views of them. */
import { viewOf } from "../../native/handle.ts";
import { REGION_INFO } from "../../native/layout.ts";
import { native } from "../../native/load.ts";
import { check } from "../../native/status.ts";

export interface Mapping {
  /** 0 where it is not mapped. */
  address: number;
  sizeBytes: number;
  /** GPU memory: what the producer's driver allocated. */
  allocationBytes: number;
  /** The shim's handle of a MemoryBuffer; 0 for pooled blocks, and for memory of another GPU. */
  memory: number;
  /** LF_REGION_... */
  kind: number;
  hostVisible: boolean;
}

const info = new Uint8Array(new ArrayBuffer(REGION_INFO.size));
const fields = new DataView(info.buffer);

interface Region extends Mapping {
  buffer: ArrayBuffer | null;
  /** Somebody transferred the ArrayBuffer: what it became still shows this memory, so it may never be unmapped. */
  escaped: boolean;
}

export class Regions {
  readonly #regions = new Map<number, Region>();
  /** The last view of each block, and the region it was in: where sizes repeat, views are not made again. */
  readonly #views: (Uint8Array | undefined)[] = [];
  readonly #viewRegions: number[] = [];
  readonly #describe: (id: number, out: Uint8Array) => number;
  readonly #keep: (id: number) => number;

  /** `describe` fills in where a region lies; `keep` tells the shim not to unmap one. */
  constructor(describe: (id: number, out: Uint8Array) => number, keep: (id: number) => number) {
    this.#describe = describe;
    this.#keep = keep;
  }

  mapping(id: number): Mapping {
    return this.#region(id);
  }

  /** `length` bytes at `offset` of a region; they are block number `block`. */
  view(id: number, block: number, offset: number, length: number): Uint8Array {
    const known = this.#views[block];
    if (known !== undefined && known.length === length && this.#viewRegions[block] === id) return known;
    const region = this.#region(id);
    if (region.buffer?.detached) {
      region.escaped = true;
      region.buffer = null;
    }
    region.buffer ??= viewOf(region.address, region.sizeBytes);
    const view = new Uint8Array(region.buffer, offset, length);
    this.#views[block] = view;
    this.#viewRegions[block] = id;
    return view;
  }

  /** Nothing of the region may be seen any more: it is about to be unmapped. */
  detach(id: number): void {
    const region = this.#regions.get(id);
    if (!region) return;
    this.#regions.delete(id);
    if (region.escaped || region.buffer?.detached) this.escaped(id);
    if (region.buffer && !region.buffer.detached) region.buffer.transfer(0);
  }

  detachAll(): void {
    for (const id of [...this.#regions.keys()]) this.detach(id);
  }

  /** The region's memory is shown by an ArrayBuffer that is out of reach: it stays until the process ends. */
  escaped(id: number): void {
    this.#keep(id);
    process.emitWarning("the ArrayBuffer of a frame or loan was transferred: its memory stays until the process ends", {
      type: "LavaFlowWarning",
      code: "LAVA_FLOW_ESCAPED",
    });
  }

  #region(id: number): Region {
    let region = this.#regions.get(id);
    if (region) return region;
    check(native(), this.#describe(id, info));
    region = {
      address: Number(fields.getBigUint64(REGION_INFO.address, true)),
      sizeBytes: fields.getFloat64(REGION_INFO.bytes, true),
      allocationBytes: fields.getFloat64(REGION_INFO.allocation, true),
      memory: fields.getInt32(REGION_INFO.memory, true),
      kind: fields.getUint32(REGION_INFO.kind, true),
      hostVisible: fields.getUint32(REGION_INFO.host_visible, true) === 1,
      buffer: null,
      escaped: false,
    };
    this.#regions.set(id, region);
    return region;
  }
}
