import type { LayoutData } from "../core/layout.ts";
import type { Member, RingState } from "../core/membership.ts";
import type { RingNews } from "../core/ring_news.ts";
import { type Field, list, oneOf, optional, positive, shape, text, uint, uintWithin } from "../core/shape.ts";
import { malformed, pack, unpack } from "./packing.ts";

/** Copies of a key: a ring of more would be no use to anybody. */
const replicas = uintWithin(1, 1_000);
const layoutShape = shape({
  members: list(
    shape({ address: text, storeId: text, version: uint, weight: positive, zone: optional(text) }),
  ),
  replicas,
  height: uint,
});
const member = shape({
  address: text,
  storeId: text,
  incarnation: uint,
  state: oneOf("up", "leaving", "left", "removed"),
  version: uint,
  weight: positive,
  zone: optional(text),
  report: shape({ sequence: uint, base: text, newest: text }),
});
/** Members of a layout, whose zones are absent rather than undefined. */
const layout: Field<LayoutData> = {
  encode: (data) =>
    layoutShape.encode({ ...data, members: data.members.map((m) => ({ ...m, zone: m.zone })) }),
  decode: (data) => {
    const decoded = layoutShape.decode(data);
    if (decoded.members.length === 0) throw malformed();
    return { ...decoded, members: decoded.members.map(withoutEmptyZone) };
  },
};
const ringShape = shape({
  ringId: text,
  partitions: uintWithin(1, 65_536),
  replicas,
  base: layout,
  members: list(member),
  reported: list(layout, 10_000),
});

const newsShape = shape({
  ringId: text,
  base: text,
  reported: list(text, 10_000),
  members: list(member),
});

/** The state of a ring, or a part of it: all but those members that did not change. */
export const ring: Field<RingState> = {
  encode: (state) => {
    const members = [...state.members.values()].map((m) => ({ ...m, zone: m.zone }));
    return ringShape.encode({ ...state, members });
  },
  decode: (data) => {
    const state = ringShape.decode(data);
    const members = state.members.map(withoutEmptyZone) as Member[];
    return { ...state, members: new Map(members.map((m) => [m.address, m])) };
  },
};

/** What changed in a ring, whose layouts the peer knows. */
export const ringNews: Field<RingNews> = {
  encode: (news) => newsShape.encode({ ...news, members: news.members.map((m) => ({ ...m, zone: m.zone })) }),
  decode: (data) => {
    const news = newsShape.decode(data);
    return { ...news, members: news.members.map(withoutEmptyZone) };
  },
};

/** The state of a ring as bytes: for a node's own database, and to be hashed. */
export function encodeRing(state: RingState): Uint8Array {
  const members = new Map([...state.members].sort(([a], [b]) => (a < b ? -1 : 1)));
  return pack([ring.encode({ ...state, members })]);
}

/** @throws {DhtError} "bad_message" */
export function decodeRing(data: Uint8Array): RingState {
  const [state] = unpack(data);
  return ring.decode(state);
}

function withoutEmptyZone<T extends { readonly zone: string | undefined }>(
  member: T,
): Omit<T, "zone"> & { readonly zone?: string } {
  const { zone, ...rest } = member;
  return zone === undefined ? rest : { ...rest, zone };
}
