import type { Log } from "../ports/log.ts";

/** Damaged records that are kept in mind; more of them are found when they are read. */
const MAX_DAMAGED_KEYS = 10_000;

/** A key and the partition it belongs to. */
export interface Place {
  readonly partition: number;
  readonly key: string;
}

/** Keys whose records were found to be damaged, until another owner's copy has replaced them. */
export interface DamageList {
  add(place: Place): void;
  has(key: string): boolean;
}

/** Whether what is damaged must not pass for missing: so for who counts the answer as a vote. */
export interface Strictness {
  readonly strict?: boolean;
}

/** The damaged records of one node. */
export class FoundDamage implements DamageList {
  readonly #list: () => Map<string, number>;
  readonly #log: Log;
  readonly #doubt: (partition: number) => void;
  #found = 0;

  /**
   * @param deps.list Keys, with their partitions; another one once the database was read anew.
   * @param deps.doubt Called for a partition whose digest is not what it was.
   */
  constructor(deps: { list: () => Map<string, number>; log: Log; doubt: (partition: number) => void }) {
    this.#list = deps.list;
    this.#log = deps.log;
    this.#doubt = deps.doubt;
  }

  /** How many were found since the start. */
  get found(): number {
    return this.#found;
  }

  has(key: string): boolean {
    return this.#list().has(key);
  }

  /** Those not mended yet. */
  places(): Place[] {
    return [...this.#list()].map(([key, partition]) => ({ partition, key }));
  }

  add({ partition, key }: Place): void {
    const list = this.#list();
    if (list.has(key) || list.size >= MAX_DAMAGED_KEYS) return;
    list.set(key, partition);
    this.#found++;
    this.#log.event(
      "warn",
      "record_damaged",
      `The copy of key ${JSON.stringify(key)} on this node is damaged`,
    );
    this.#doubt(partition);
  }
}
