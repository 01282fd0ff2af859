import type { LayoutMember } from "./layout.ts";

/** What placement goes by. */
type Placed = Pick<LayoutMember, "address" | "weight" | "zone">;

/**
 * What weights and zones ask for and cannot get, one sentence each.
 *
 * @param copies Copies each key has on these members (n, not what is wanted).
 */
export function shareAdvice(members: readonly Placed[], copies: number): string[] {
  return [...zoneAdvice(members, copies), ...weightAdvice(members, copies)];
}

/** The members of each zone, by its name; those in none are left out. */
export function zonesOf(members: readonly Placed[]): Map<string, Placed[]> {
  const zones = new Map<string, Placed[]>();
  for (const member of members) {
    if (member.zone === undefined) continue;
    zones.set(member.zone, [...zones.get(member.zone) ?? [], member]);
  }
  return zones;
}

function zoneAdvice(members: readonly Placed[], copies: number): string[] {
  const zones = zonesOf(members);
  if (zones.size === 0) return [];
  const advice: string[] = [];
  const zoneless = members.filter(({ zone }) => zone === undefined).map(({ address }) => address);
  if (zoneless.length > 0) {
    const each = zoneless.length === 1
      ? "is in no zone and counts as one"
      : "are in no zone and count as one each";
    advice.push(
      `${zoneless.join(", ")} ${each}: start ${zoneless.length === 1 ? "it" : "them"} with --zone.`,
    );
  }
  const count = zones.size + zoneless.length;
  if (count >= copies) return advice;
  // After one of each zone, the copies that are left may all fall into one.
  const most = (name: string) => Math.min(zones.get(name)!.length, copies - count + 1);
  const crowded = [...zones.keys()].filter((name) => most(name) > 1).sort();
  for (const name of crowded) {
    advice.push(
      `${copies} copies in ${count === 1 ? "1 zone" : `${count} zones`}: ` +
        `losing zone ${name} may lose ${most(name)} of ${copies} copies.`,
    );
  }
  return advice;
}

function weightAdvice(members: readonly Placed[], copies: number): string[] {
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  if (members.every(({ weight }) => weight === members[0]!.weight)) return [];
  if (members.length <= copies) {
    return [
      `With ${members.length} nodes and ${copies} copies every node holds everything: weights change nothing.`,
    ];
  }
  // Nobody can hold two copies of a partition: what is asked for beyond that goes to the others.
  return members.filter(({ weight }) => weight * copies > total).map(({ address, weight }) =>
    `The weight of ${address}, ${weight} of ${
      round(total)
    }, asks for more than one copy of every key: it holds one.`
  );
}

function round(weight: number): number {
  return Math.round(weight * 10_000) / 10_000;
}
