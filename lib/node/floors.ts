import { compareOptionalVersions, type Version } from "../core/hlc.ts";
import type { ClaimedStore } from "./claimed_store.ts";
import type { CommitBatch } from "./commit_batch.ts";
import { countOf, decodeFloor, encodeFloor, floorKey } from "./entries.ts";

/**
 * What a pull begins with. It ends as soon as tombstones of its partition are collected: what another owner
 * answered before that may be what they deleted.
 */
export interface PullTicket {
  readonly partition: number;
}

/**
 * The floor of each partition: the greatest version of a tombstone that was collected there.
 *
 * At an owner, a version up to the floor of which nothing is held may be a deleted one, or one that this owner
 * missed: only an owner that has not missed the deletion can tell.
 */
export class Floors {
  readonly #floors = new Map<number, Version>();
  readonly #tickets = new Map<number, PullTicket>();

  static async load(store: ClaimedStore): Promise<Floors> {
    const loaded = new Floors();
    for await (const { key, value } of store.list({ prefix: ["floor"] })) {
      loaded.#floors.set(countOf(key[1]), decodeFloor(value));
    }
    return loaded;
  }

  /** The floor that is on the disk. */
  of(partition: number): Version | undefined {
    return this.#floors.get(partition);
  }

  /** The floor as the changes of a commit before this moment leave it. */
  within(batch: CommitBatch, partition: number): Version | undefined {
    return batch.floors.get(partition) ?? this.#floors.get(partition);
  }

  /** Partitions that have one. */
  partitions(): Iterable<number> {
    return this.#floors.keys();
  }

  /** Raises a floor with this commit; it never sinks. */
  raise(batch: CommitBatch, partition: number, version: Version): void {
    if (compareOptionalVersions(version, this.within(batch, partition)) <= 0) return;
    batch.set(floorKey(partition), encodeFloor(version));
    batch.floors.set(partition, version);
    batch.onCommitted(() => this.#floors.set(partition, version));
  }

  /** The ticket of pulls that begin now. */
  ticket(partition: number): PullTicket {
    let ticket = this.#tickets.get(partition);
    if (ticket === undefined) this.#tickets.set(partition, ticket = { partition });
    return ticket;
  }

  /** Whether nothing was collected since the ticket was given out. */
  isValid(ticket: PullTicket): boolean {
    return this.#tickets.get(ticket.partition) === ticket;
  }

  /**
   * Ends all pulls of a partition. The floor alone would not: where another key's tombstone has raised it before, a
   * collection leaves it as it is.
   */
  endPulls(partition: number): void {
    this.#tickets.delete(partition);
  }
}
