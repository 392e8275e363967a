/**
 * The headers of inboxes, in pages on the ready list. Each submission in which kernels can send to each other ends with
 * a copy of the pages to the readback memory: the host reads the counts of arrived and taken messages there.
 */

import { INBOX } from "../shader/layout.ts";
import { clear, type Memories, type Range } from "./arena.ts";
import type { ComputeDevice, Step } from "./compute.ts";
import type { GpuKernel } from "./gpu-kernel.ts";

const WORD = 4;
/** Indices of the memories in a submission. */
const [READBACK, READY_LIST] = [1, 3];
/** Headers of a page. */
const HEADERS = 64;
/** Words from one header to the next, 128 bytes: two headers share no line of a cache. */
const STRIDE = 32;

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

  /** Acquires a header, all 0. No submission may be in flight. */
  async acquire(kernel: GpuKernel, device: ComputeDevice): Promise<Range> {
    const page = this.#pages.find(({ kernels }) => kernels.includes(null)) ?? (await this.#grow());
    const index = page.kernels.indexOf(null);
    const header = { at: page.readyList.at + index * STRIDE, size: INBOX.WORDS };
    await clear(device, [[this.#memories.readyList, header]]);
    page.kernels[index] = kernel;
    return header;
  }

  release(kernel: GpuKernel): void {
    for (const { kernels } of this.#pages) {
      const index = kernels.indexOf(kernel);
      if (index >= 0) kernels[index] = null;
    }
  }

  async #grow(): Promise<Page> {
    const { readyList, readback } = this.#memories;
    const range = await readyList.acquire(HEADERS * STRIDE);
    try {
      const copy = await readback.acquire(HEADERS * STRIDE);
      const page = { readyList: range, copy, kernels: new Array<GpuKernel | null>(HEADERS).fill(null) };
      this.#pages.push(page);
      return page;
    } catch (error) {
      readyList.release(range);
      throw error;
    }
  }

  /** The copies at the end of a submission. They need no barrier behind the copy of the round's sizes. */
  copies(): Step[] {
    const steps: Step[] = [];
    for (const { readyList, copy, kernels } of this.#pages) {
      const count = kernels.findLastIndex((kernel) => kernel !== null) + 1;
      const size = count * STRIDE * WORD;
      const range = { fromOffset: readyList.at * WORD, toOffset: copy.at * WORD, size };
      if (count > 0) steps.push({ kind: "copy", from: READY_LIST, to: READBACK, ...range, noBarrier: true });
    }
    return steps;
  }

  /** Gives each kernel the counts of its inbox, after the end of such a submission. */
  collect(): void {
    const { words } = this.#memories.readback;
    for (const { copy, kernels } of this.#pages) {
      for (const [index, kernel] of kernels.entries()) {
        const at = copy.at + index * STRIDE;
        kernel?.inboxReported(words[at + INBOX.CLAIMED] as number, words[at + INBOX.TAIL] as number);
      }
    }
  }
}
