import { DhtError, sentence } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Peers } from "./peers.ts";

/** Members that are asked whether they reach one that this node does not. */
const WITNESSES = 3;
/** Longer than a witness itself waits. */
const WITNESS_TIMEOUT_MS = 2_500;
/** A message without an answer for so long makes its peer doubtful. */
const SILENT_MS = 1_000;
/** Peers in doubt that are tried in one round, and those that are down. */
const DOUBTFUL_PER_ROUND = 5;
const DOWN_PER_ROUND = 5;
/** Least pause between two tries of a peer that is down because it spoke to this node. */
const RETRY_MS = 500;

/** What probing needs of its node. */
export interface ProberDeps {
  readonly peers: Peers;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Addresses of the other members. */
  others(): readonly string[];
}

/**
 * Says which members are to be probed beside those whose turn it is, and asks others about those that do not
 * answer: whether a node is down, or only cannot be reached from here.
 */
export class Prober {
  readonly #deps: ProberDeps;
  readonly #said = new Map<string, "down" | "unreachable">();
  readonly #triedMs = new Map<string, number>();
  readonly #refusing = new Set<string>();
  #turn = 0;

  constructor(deps: ProberDeps) {
    this.#deps = deps;
  }

  /** Members to be tried in this round: those in doubt, and some of those that are down, in turn. */
  due(): string[] {
    const { peers } = this.#deps;
    const doubtful = [...new Set([...peers.detector.doubtful(), ...peers.silentFor(SILENT_MS)])];
    const down = peers.detector.down();
    const from = this.#turn % Math.max(1, down.length);
    this.#turn += DOWN_PER_ROUND;
    return [
      ...doubtful.slice(0, DOUBTFUL_PER_ROUND),
      ...[...down.slice(from), ...down.slice(0, from)].slice(0, DOWN_PER_ROUND),
    ];
  }

  /** Whether a peer that spoke to this node is to be tried now: it is down, and was not tried a moment ago. */
  mayTry(address: string): boolean {
    const { peers, clock } = this.#deps;
    if (!peers.isDown(address)) return false;
    const nowMs = clock.monotonicMs();
    if (nowMs - (this.#triedMs.get(address) ?? -Infinity) < RETRY_MS) return false;
    this.#triedMs.set(address, nowMs);
    return true;
  }

  /** Members that last answered that the secret is wrong or missing. */
  refusing(): string[] {
    return [...this.#refusing].sort();
  }

  /** Forgets all but these members. */
  retain(members: ReadonlySet<string>): void {
    for (const seen of [this.#said, this.#triedMs, this.#refusing]) {
      for (const address of seen.keys()) if (!members.has(address)) seen.delete(address);
    }
  }

  /** A member has answered. */
  answered(address: string): void {
    this.#triedMs.delete(address);
    this.#refusing.delete(address);
    if (this.#said.delete(address)) {
      this.#deps.log.event("info", "node_up", `Node ${address} answers again`);
    }
  }

  /** A member has not answered: once requests go around it, others are asked about it. Never rejects. */
  async silent(address: string, error: unknown): Promise<void> {
    const { peers, clock } = this.#deps;
    if (error instanceof DhtError && error.code === "unauthorized") this.#refusing.add(address);
    else this.#refusing.delete(address);
    peers.noteSilence(address, SILENT_MS);
    if (!peers.detector.mustAsk(address, clock.monotonicMs())) return;
    const witness = await this.#whoReaches(address);
    peers.detector.told(address, witness !== undefined, clock.monotonicMs());
    if (peers.isDown(address)) this.#say(address, witness, error);
  }

  async #whoReaches(address: string): Promise<string | undefined> {
    const { peers, others } = this.#deps;
    const able = others().filter((other) => other !== address && !peers.isDown(other));
    const asked = await Promise.all(
      this.#pick(able).map(async (witness) => {
        const options = { timeoutMs: WITNESS_TIMEOUT_MS };
        const answer = await peers.control(witness, "probe", { address }, options).catch(() => undefined);
        return answer?.reached === true ? witness : undefined;
      }),
    );
    return asked.find((witness) => witness !== undefined);
  }

  #pick(addresses: string[]): string[] {
    const picked: string[] = [];
    while (picked.length < WITNESSES && addresses.length > 0) {
      picked.push(...addresses.splice(Math.floor(this.#deps.random.next() * addresses.length), 1));
    }
    return picked;
  }

  #say(address: string, witness: string | undefined, error: unknown): void {
    const finding = witness === undefined ? "down" : "unreachable";
    if (this.#said.get(address) === finding) return;
    this.#said.set(address, finding);
    const reason = sentence(error);
    if (witness === undefined) {
      this.#deps.log.event("warn", "node_down", `Node ${address} does not answer: ${reason}`);
    } else {
      const text = `Node ${address} does not answer this node, but ${witness} reaches it: ${reason}`;
      this.#deps.log.event("warn", "node_unreachable", text);
    }
  }
}
