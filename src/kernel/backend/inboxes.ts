/**
 * The headers of inboxes on the ready list. They lie in pages, and each submission in which kernels can send to each other ends with a
 * copy of the pages to where the host reads: how many messages came into each inbox, and how many its kernel took.
 */

import { INBOX } from "../shader/layout.ts";
import { clear, type Memories, type Range } from "./arena.ts";
import type { ComputeDevice, Step } from "./compute.ts";
import type { GpuKernel } from "./gpu-kernel.ts";

const WORD = 4;
/** The places of the memories in a submission. */
const [READBACK, READY_LIST] = [1, 3];
/** Headers of a page, and words from one to the next: kernels that send to two of them do not share a line of the cache. */
const [PLACES, STRIDE] = [64, 32];

interface Page {
  readonly readyList: Range;
  readonly copy: Range;
  readonly kernels: (GpuKernel | null)[];
}

export class Inboxes {
  readonly #memories: Memories;
  readonly #pages: Page[] = [];

  constructor(memories: Memories) {
    this.#memories = memories;
  }

  /** A header, all 0. At rest. */
  async take(kernel: GpuKernel, device: ComputeDevice): Promise<Range> {
    const page = this.#pages.find(({ kernels }) => kernels.includes(null)) ?? (await this.#grow());
    const place = page.kernels.indexOf(null);
    const header = { at: page.readyList.at + place * STRIDE, size: INBOX.WORDS };
    await clear(device, [[this.#memories.readyList, header]]);
    page.kernels[place] = kernel;
    return header;
  }

  give(kernel: GpuKernel): void {
    for (const { kernels } of this.#pages) {
      const place = kernels.indexOf(kernel);
      if (place >= 0) kernels[place] = null;
    }
  }

  async #grow(): Promise<Page> {
    const { readyList, readback } = this.#memories;
    const range = await readyList.take(PLACES * STRIDE);
    try {
      const copy = await readback.take(PLACES * STRIDE);
      const page = { readyList: range, copy, kernels: new Array<GpuKernel | null>(PLACES).fill(null) };
      this.#pages.push(page);
      return page;
    } catch (error) {
      readyList.give(range);
      throw error;
    }
  }

  /** The copies at the end of a submission, beside what ends it. */
  copies(): Step[] {
    const steps: Step[] = [];
    for (const { readyList, copy, kernels } of this.#pages) {
      const count = kernels.findLastIndex((kernel) => kernel !== null) + 1;
      const size = count * STRIDE * WORD;
      const places = { fromOffset: readyList.at * WORD, toOffset: copy.at * WORD, size };
      if (count > 0) steps.push({ kind: "copy", from: READY_LIST, to: READBACK, ...places, noBarrier: true });
    }
    return steps;
  }

  /** Such a submission has ended: tells each kernel of its inbox. */
  land(): void {
    const { words } = this.#memories.readback;
    for (const { copy, kernels } of this.#pages) {
      for (const [place, kernel] of kernels.entries()) {
        const at = copy.at + place * STRIDE;
        kernel?.inboxReported(words[at + INBOX.CLAIMED] as number, words[at + INBOX.TAIL] as number);
      }
    }
  }
}
