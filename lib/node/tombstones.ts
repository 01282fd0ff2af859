import { compareVersions, type Version } from "../core/hlc.ts";
import { isDamage } from "./entries.ts";
import type { Floors, PullTicket } from "./floors.ts";
import type { Change } from "./group_commit.ts";
import {
  type Books,
  collectChange,
  floorChange,
  type TombstoneName,
  type WriteOutcome,
  type WriteRequest,
} from "./write_change.ts";

/** What the tombstones of a storage need of the rest of it. */
export interface TombstonesDeps {
  readonly books: () => Books;
  write(request: WriteRequest): Promise<WriteOutcome>;
  /** Queues a change; what keeps it from being made rejects. */
  submit<T>(make: () => Change<T>): Promise<T>;
}

/** Deletions, and the floors that remain once they are forgotten. Throws as `Storage` does. */
export class Tombstones {
  readonly #deps: TombstonesDeps;

  constructor(deps: TombstonesDeps) {
    this.#deps = deps;
  }

  /**
   * Whether exactly these tombstones are held, in their order. One of which less was held is stored; one beside a
   * damaged record or a greater one is not confirmed.
   */
  async confirm(partition: number, tombstones: readonly TombstoneName[]): Promise<boolean[]> {
    const isHeld = async ({ key, version, expired }: TombstoneName): Promise<boolean> => {
      const record = { kind: "tombstone", version, expired } as const;
      const outcome = await this.#deps.write({ partition, key, record, mode: "merge" });
      return outcome.kind !== "stale";
    };
    return await Promise.all(tombstones.map((one) => isHeld(one).catch(falseIfDamaged)));
  }

  /**
   * Forgets tombstones that every owner of the partition has confirmed, and what they have deleted; each with the
   * commit that raises the floor to its version. Returns how many records were removed.
   */
  async collect(partition: number, tombstones: readonly TombstoneName[]): Promise<number> {
    const newestFirst = [...tombstones].sort((a, b) => compareVersions(b.version, a.version));
    const removed = await Promise.all(
      newestFirst.map((one) => this.#deps.submit(() => collectChange(partition, one, this.#deps.books))),
    );
    return removed.filter((was) => was).length;
  }

  /**
   * Has client writes of a partition refused up to `version`, and values up to it merged only where they were pulled;
   * a floor never sinks. What was accepted below it before is on the disk once this resolves.
   */
  raiseFloor(partition: number, version: Version): Promise<void> {
    return this.#deps.submit(() => floorChange(partition, version, this.#deps.books));
  }

  /** The floor of a partition, if it was ever raised. */
  floor(partition: number): Version | undefined {
    return this.#floors.of(partition);
  }

  /** The partitions that have a floor. */
  flooredPartitions(): Iterable<number> {
    return this.#floors.partitions();
  }

  /** To be had before another owner is asked for a record that is to be merged as pulled. */
  pullTicket(partition: number): PullTicket {
    return this.#floors.ticket(partition);
  }

  get #floors(): Floors {
    return this.#deps.books().floors;
  }
}

function falseIfDamaged(error: unknown): boolean {
  if (isDamage(error)) return false;
  throw error;
}
