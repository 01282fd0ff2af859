import { encodeHex } from "@std/encoding/hex";
import { hash128 } from "./hash.ts";
import { type LayoutData, layoutName } from "./layout.ts";
import { type Member, newestLayout, type RingState } from "./membership.ts";

/**
 * What changed in a ring, for a node that knows most of it: its layouts, each of which lists all members, only by
 * their names.
 */
export interface RingNews {
  readonly ringId: string;
  readonly base: string;
  readonly reported: readonly string[];
  /** Those that changed. */
  readonly members: readonly Member[];
}

/** A ring in a few bytes, with those members that `state` holds. */
export function newsOf({ ringId, base, reported, members }: RingState): RingNews {
  return {
    ringId,
    base: layoutName(base),
    reported: reported.map(layoutName),
    members: [...members.values()],
  };
}

/**
 * The state that news stand for, to be merged as if it had come whole.
 *
 * @param layoutNamed The layouts known here. One that the changed members bring about is worked out.
 * @returns `undefined` where a layout is unknown: it has to be sent.
 */
export function stateOfNews(
  news: RingNews,
  ours: RingState,
  layoutNamed: (name: string) => LayoutData | undefined,
): RingState | undefined {
  const members = new Map(news.members.map((member) => [member.address, member]));
  let brought: LayoutData | undefined;
  const find = (name: string): LayoutData | undefined => {
    const known = layoutNamed(name);
    if (known !== undefined) return known;
    brought ??= newestLayout(ours, members);
    return layoutName(brought) === name ? brought : undefined;
  };
  const base = find(news.base);
  const reported = news.reported.map(find);
  if (base === undefined || !reported.every((data) => data !== undefined)) return undefined;
  const { partitions, replicas } = ours;
  return { ringId: news.ringId, partitions, replicas, base, reported, members };
}

/** A member by a hash of all that is known of it. */
export interface MemberPrint {
  readonly address: string;
  readonly print: string;
}

/** Prints of all members. */
export function printsOf(members: RingState["members"]): MemberPrint[] {
  return Array.from(members.values(), (member) => ({ address: member.address, print: printOf(member) }));
}

/** Members that a peer knows otherwise or not at all, by its prints; and the addresses of those that it should tell of. */
export function differences(
  members: RingState["members"],
  theirs: readonly MemberPrint[],
): { readonly changed: ReadonlyMap<string, Member>; readonly wants: readonly string[] } {
  const changed = new Map(members);
  const wants: string[] = [];
  for (const { address, print } of theirs) {
    const member = members.get(address);
    if (member !== undefined && printOf(member) === print) changed.delete(address);
    else wants.push(address);
  }
  return { changed, wants };
}

const PRINTS = new WeakMap<Member, string>();

function printOf(member: Member): string {
  let print = PRINTS.get(member);
  if (print === undefined) PRINTS.set(member, print = hashedPrint(member));
  return print;
}

function hashedPrint(
  { address, storeId, incarnation, state, version, weight, zone, report }: Member,
): string {
  const { sequence, base, newest } = report;
  const fields = [
    address,
    storeId,
    incarnation,
    state,
    version,
    weight,
    zone ?? null,
    sequence,
    base,
    newest,
  ];
  return encodeHex(hash128(JSON.stringify(fields))).slice(0, 16);
}
