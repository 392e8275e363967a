/** Where the routes of kernels' bodies lead, as kernels come and go. */
import type { Addresses } from "./base/addresses.ts";
import type { RingKernel } from "./ring-kernel.ts";

interface Route {
  from: RingKernel;
  index: number;
}

export class Routes {
  readonly #addresses: Addresses;
  /** By the address that they lead to. */
  readonly #routes = new Map<string, Set<Route>>();
  readonly #of = new Map<RingKernel, { to: string; route: Route }[]>();
  /** Numbers for kernels of other runtimes, as long as a route leads there. */
  readonly #elsewhere = new Map<string, number>();

  constructor(addresses: Addresses) {
    this.#addresses = addresses;
  }

  /** A kernel that was launched: its own routes ("" for none), and those that lead to it. */
  add(kernel: RingKernel, routes: readonly string[]): void {
    const own = routes.map((to, index) => ({ to, route: { from: kernel, index } })).filter(({ to }) => to !== "");
    if (own.length > 0) this.#of.set(kernel, own);
    for (const { to, route } of own) {
      const all = this.#routes.get(to);
      if (all) all.add(route);
      else this.#routes.set(to, new Set([route]));
      kernel.setRoute(route.index, this.#numberOf(to));
    }
    for (const { from, index } of this.#routes.get(kernel.id) ?? []) from.setRoute(index, kernel.number);
  }

  remove(kernel: RingKernel): void {
    for (const { to, route } of this.#of.get(kernel) ?? []) {
      const all = this.#routes.get(to);
      all?.delete(route);
      if (all?.size !== 0) continue;
      this.#routes.delete(to);
      this.#addresses.remove(this.#elsewhere.get(to) ?? 0);
      this.#elsewhere.delete(to);
    }
    this.#of.delete(kernel);
    for (const { from, index } of this.#routes.get(kernel.id) ?? []) from.setRoute(index, 0);
  }

  /** 0 for one that is not launched yet. */
  #numberOf(to: string): number {
    if (!to.includes("/")) return this.#addresses.numberOf(to) ?? 0;
    let number = this.#elsewhere.get(to);
    if (number === undefined) this.#elsewhere.set(to, (number = this.#addresses.add(to)));
    return number;
  }
}
