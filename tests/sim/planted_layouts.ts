/** Bugs of how nodes tell layouts apart, for `mutants.ts`. */
import { encodeHex } from "@std/encoding/hex";
import { hash128 } from "../../lib/core/hash.ts";
import { Layout, type LayoutData } from "../../lib/core/layout.ts";

/** Names layouts by where partitions are placed: one that comes again has the name it had. Returns how to end that. */
export function nameByPlacement(): () => void {
  const { of } = Layout;
  const named = new WeakSet<Layout>();
  Layout.of = (data, partitions) => {
    const layout = of.call(Layout, data, partitions);
    if (!named.has(layout)) {
      named.add(layout);
      Object.defineProperty(layout, "name", { value: nameOf(data) });
    }
    return layout;
  };
  return () => Layout.of = of;
}

function nameOf({ replicas, members }: LayoutData): string {
  const fields = members.map((
    { address, storeId, weight, zone },
  ) => [address, storeId, weight, zone ?? null]);
  return encodeHex(hash128(JSON.stringify([replicas, fields]))).slice(0, 16);
}
