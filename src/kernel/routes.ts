/** The routes of kernels' bodies, which follow launches and ends of their destinations. */
import type { Addresses } from "./base/addresses.ts";
import type { RingKernel } from "./ring-kernel.ts";

interface Route {
  from: RingKernel;
  index: number;
}

export class Routes {
  readonly #addresses: Addresses;
  /** By the address of the destination. */
  readonly #routes = new Map<string, Set<Route>>();
  readonly #of = new Map<RingKernel, { to: string; route: Route }[]>();
  /** Numbers of kernels of other runtimes that are the destination of a route. */
  readonly #remote = new Map<string, number>();

  constructor(addresses: Addresses) {
    this.#addresses = addresses;
  }

  /** Sets the routes of a launched kernel ("" for none), and those whose destination it is. */
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
      this.#addresses.remove(this.#remote.get(to) ?? 0);
      this.#remote.delete(to);
    }
    this.#of.delete(kernel);
    for (const { from, index } of this.#routes.get(kernel.id) ?? []) from.setRoute(index, 0);
  }

  /** The number of a destination; 0 where the kernel is not launched. */
  #numberOf(to: string): number {
    if (!to.includes("/")) return this.#addresses.numberOf(to) ?? 0;
    let number = this.#remote.get(to);
    if (number === undefined) this.#remote.set(to, (number = this.#addresses.add(to)));
    return number;
  }
}
