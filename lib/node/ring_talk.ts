import { differences, type MemberPrint, newsOf, printsOf, type RingNews } from "../core/ring_news.ts";
import type { RingState } from "../core/membership.ts";
import type { Ask } from "../wire.ts";
import type { AskOptions, Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";

/**
 * Two nodes that know different things of their ring tell each other what differs, by prints of all members; the
 * layouts, each a list of all members, are named, and only sent to a node that lacks one.
 */
export class RingTalk {
  readonly #keeper: RingKeeper;
  readonly #peers: Pick<Peers, "control">;
  readonly #options: AskOptions;

  constructor(keeper: RingKeeper, peers: Pick<Peers, "control">, options: AskOptions) {
    this.#keeper = keeper;
    this.#peers = peers;
    this.#options = options;
  }

  /** Tells a peer what changed. */
  async tell(address: string, news: RingNews, ring: RingState): Promise<void> {
    const { understood } = await this.#peers.control(address, "news", { news }, this.#options);
    if (!understood) await this.#peers.control(address, "merge", { ring }, this.#options);
  }

  /** Exchanges with a peer what differs by its prints. */
  async level(address: string, prints: readonly MemberPrint[]): Promise<void> {
    const { state } = this.#keeper;
    const { changed, wants } = differences(state.members, prints);
    const ask = { news: newsOf({ ...state, members: changed }), wants };
    const { understood, news } = await this.#peers.control(address, "compare", ask, this.#options);
    const learnt = await this.#keeper.mergeNews(news);
    if (!learnt) await this.#fetchWhole(address);
    if (!understood || !learnt) {
      await this.#peers.control(address, "merge", { ring: this.#keeper.state }, this.#options);
    }
  }

  async #fetchWhole(address: string): Promise<void> {
    const ask = { hash: this.#keeper.hash, whole: true };
    const { ring } = await this.#peers.control(address, "exchange", ask, this.#options);
    if (ring !== undefined) await this.#keeper.merge(ring);
  }
}

/** What a node answers to "exchange", but for its clock. */
export function answerExchange(
  keeper: RingKeeper,
  { hash, whole }: Ask<"exchange">,
): { readonly ring: RingState | undefined; readonly prints: readonly MemberPrint[] | undefined } {
  const same = hash === keeper.hash;
  return {
    ring: !same && whole ? keeper.state : undefined,
    prints: same || whole ? undefined : printsOf(keeper.state.members),
  };
}

/** What a node answers to "compare". */
export async function answerCompare(
  keeper: RingKeeper,
  { news, wants }: Ask<"compare">,
): Promise<{ readonly understood: boolean; readonly news: RingNews }> {
  const understood = await keeper.mergeNews(news);
  const { state } = keeper;
  const wanted = wants.flatMap((address) => state.members.get(address) ?? []);
  const members = new Map(wanted.map((member) => [member.address, member]));
  return { understood, news: newsOf({ ...state, members }) };
}
