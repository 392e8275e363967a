/** The circles of a graph: groups of nodes that all reach each other, each sorted. Empty when every edge can point down. */
export function circles(edges: Map<string, Iterable<string>>): string[][] {
  // Tarjan: a node is the root of its group when nothing below it reaches a node that was met earlier.
  const met = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const found: string[][] = [];
  const visit = (node: string) => {
    const order = met.size;
    met.set(node, order);
    lowest.set(node, order);
    open.push(node);
    for (const next of edges.get(node) ?? []) {
      if (!met.has(next)) visit(next);
      if (open.includes(next)) lowest.set(node, Math.min(lowest.get(node) as number, lowest.get(next) as number));
    }
    if (lowest.get(node) !== order) return;
    const group = open.splice(open.indexOf(node));
    if (group.length > 1) found.push(group.sort());
  };
  for (const node of edges.keys()) if (!met.has(node)) visit(node);
  return found.sort();
}
