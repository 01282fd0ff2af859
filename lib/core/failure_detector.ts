/** Calls in a row that must fail before requests go around a peer. */
const DOWN_AFTER = 2;
/** How long a peer that nobody reaches is merely suspected. */
const SUSPECT_MS = 5_000;
/** Wait before others are asked again about a peer that this node does not reach; longer once it is down for good. */
const ASK_AGAIN_MS = 5_000;
const ASK_AGAIN_LATER_MS = 60_000;
/** How long the word of another that reaches the peer counts: a little longer than it takes to ask again. */
const WORD_MS = 90_000;
/** Least pause between two recoveries of one peer that are told; doubled with each that comes soon, up to the most. */
const RECOVERY_MS = 5_000;
const RECOVERY_MAX_MS = 80_000;

/**
 * What this node thinks of a peer: "unreachable" is one that others reach, so that what is broken lies between;
 * "suspect" one that nobody reaches, for a short time; "down" after that.
 */
export type PeerHealth = "up" | "suspect" | "unreachable" | "down";

interface PeerRecord {
  missed: number;
  /** When requests began to go around it; undefined while they do not. */
  downMs: number | undefined;
  /** When others were last asked about it, and when one of them last reached it. */
  askedMs: number;
  reachedMs: number;
  /** Recoveries: the next is told no sooner than this; how long that was put off; whether one waits to be told. */
  nextToldMs: number;
  pauseMs: number;
  recovered: boolean;
}

/**
 * One node's own view of who answers: which peers requests go around, and what people are told of them. It moves
 * no data. After SWIM (Das, Gupta, Motivala 2002): a direct probe, probes through others, suspicion for a bounded
 * time. Bounded by the number of members.
 */
export class FailureDetector {
  readonly #records = new Map<string, PeerRecord>();

  /** Whether requests go around the peer: it failed to answer twice in a row and has not answered since. */
  isDown(address: string): boolean {
    return this.#records.get(address)?.downMs !== undefined;
  }

  /** What people are told of it. */
  health(address: string, nowMs: number): PeerHealth {
    const record = this.#records.get(address);
    if (record?.downMs === undefined) return "up";
    if (record.reachedMs >= record.downMs && nowMs - record.reachedMs < WORD_MS) return "unreachable";
    return nowMs - record.downMs < SUSPECT_MS ? "suspect" : "down";
  }

  /** A call to it failed; returns whether requests go around it from now on. */
  missed(address: string, nowMs: number): boolean {
    const record = this.#record(address);
    record.missed++;
    if (record.downMs !== undefined || record.missed < DOWN_AFTER) return false;
    record.downMs = nowMs;
    record.askedMs = -Infinity;
    record.recovered = false;
    return true;
  }

  /** It has answered. A recovery is told by `recoveries`. */
  heard(address: string): void {
    const record = this.#records.get(address);
    if (record === undefined) return;
    record.missed = 0;
    if (record.downMs === undefined) return;
    record.downMs = undefined;
    record.recovered = true;
  }

  /**
   * Peers that have come back and may be told of now, each once. One that flaps is told of seldom, but always in
   * the end: what follows from a recovery costs much.
   */
  recoveries(nowMs: number): string[] {
    const told: string[] = [];
    for (const [address, record] of this.#records) {
      if (!record.recovered || nowMs < record.nextToldMs) continue;
      // One that was quiet for long begins anew.
      const flaps = nowMs - record.nextToldMs < 2 * record.pauseMs;
      record.pauseMs = flaps ? Math.min(2 * record.pauseMs, RECOVERY_MAX_MS) : RECOVERY_MS;
      record.nextToldMs = nowMs + record.pauseMs;
      record.recovered = false;
      told.push(address);
    }
    return told;
  }

  /** Peers that failed to answer the last call, but are not down yet. */
  doubtful(): string[] {
    return this.#where(({ missed, downMs }) => missed > 0 && downMs === undefined);
  }

  /** Peers that requests go around. */
  down(): string[] {
    return this.#where(({ downMs }) => downMs !== undefined);
  }

  /** Whether it is time to ask others whether they reach it; counts as asked from now on. */
  mustAsk(address: string, nowMs: number): boolean {
    const record = this.#records.get(address);
    if (record?.downMs === undefined) return false;
    const pauseMs = nowMs - record.downMs < 6 * SUSPECT_MS ? ASK_AGAIN_MS : ASK_AGAIN_LATER_MS;
    if (nowMs - record.askedMs < pauseMs) return false;
    record.askedMs = nowMs;
    return true;
  }

  /** What others said of a peer: whether any of them reaches it. */
  told(address: string, reached: boolean, nowMs: number): void {
    const record = this.#records.get(address);
    if (record !== undefined) record.reachedMs = reached ? nowMs : -Infinity;
  }

  /** Forgets all but these peers. */
  retain(addresses: ReadonlySet<string>): void {
    for (const address of this.#records.keys()) if (!addresses.has(address)) this.#records.delete(address);
  }

  #record(address: string): PeerRecord {
    let record = this.#records.get(address);
    if (record === undefined) {
      record = {
        missed: 0,
        downMs: undefined,
        askedMs: -Infinity,
        reachedMs: -Infinity,
        nextToldMs: -Infinity,
        pauseMs: 0,
        recovered: false,
      };
      this.#records.set(address, record);
    }
    return record;
  }

  #where(test: (record: PeerRecord) => boolean): string[] {
    return [...this.#records].filter(([, record]) => test(record)).map(([address]) => address);
  }
}
