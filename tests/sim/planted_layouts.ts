/** Bugs of how nodes tell layouts apart, for `mutants.ts`. */
import { encodeHex } from "@std/encoding/hex";
import { hash128 } from "../../lib/core/hash.ts";
import { Layout, type LayoutData } from "../../lib/core/layout.ts";

/** Names layouts by where partitions are placed: one that comes again has the name it had. Returns how to end that. */
export function nameByPlacement(): () => void {
  return nameBy(({ replicas, members }) => [
    replicas,
    members.map(({ address, storeId, weight, zone }) => [address, storeId, weight, zone ?? null]),
  ]);
}

/** Names layouts by who is a member: one with other weights or zones has the name it had. Returns how to end that. */
export function nameByMembers(): () => void {
  return nameBy(({ members }) => members.map(({ address, storeId }) => [address, storeId]));
}

function nameBy(what: (data: LayoutData) => unknown): () => void {
  const { of } = Layout;
  const named = new WeakSet<Layout>();
  Layout.of = (data, partitions) => {
    const layout = of.call(Layout, data, partitions);
    if (!named.has(layout)) {
      named.add(layout);
      Object.defineProperty(layout, "name", {
        value: encodeHex(hash128(JSON.stringify(what(data)))).slice(0, 16),
      });
    }
    return layout;
  };
  return () => Layout.of = of;
}
