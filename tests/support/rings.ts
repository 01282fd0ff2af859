import {
  admitMember,
  foundRing,
  liveLayouts,
  type Member,
  reportSynced,
  type RingState,
} from "../../lib/core/membership.ts";

/** A store at an address, at its first start. */
export function store(
  address: string,
  storeId = `${address}1`,
  incarnation = 1,
): Pick<Member, "address" | "storeId" | "incarnation"> {
  return { address, storeId, incarnation };
}

/** The ring as these members see it once all of them hold their share: the first founded it, the others joined. */
export function syncedRing(
  addresses: readonly string[],
  options: { readonly partitions?: number; readonly replicas?: number } = {},
): RingState {
  const { partitions = 8, replicas = 3 } = options;
  const [founder, ...others] = addresses;
  const founded = foundRing({ ringId: "ring", partitions, replicas, self: store(founder!) });
  const joined = others.reduce((ring, address) => admitMember(ring, store(address)), founded);
  return allReport(joined);
}

/** One member says that it holds its share of the newest layout, relying on the base. */
export function report(ring: RingState, address: string): RingState {
  const live = liveLayouts(ring);
  return reportSynced(ring, address, { base: live.base.name, newest: live.newest.name });
}

/** All members that are known say so, one after the other. */
export function allReport(ring: RingState): RingState {
  return [...ring.members.keys()].reduce(report, ring);
}

/** Addresses of a layout's members. */
export function addresses(layout: { readonly data: RingState["base"] }): string[] {
  return layout.data.members.map((member) => member.address);
}
