import { History, type Operation } from "../sim/history.ts";
import { makePayload } from "../sim/payload.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import type { Attempt } from "./availability.ts";
import type { Fleet } from "./fleet.ts";
import { type Answered, get, put, remove } from "./requests.ts";
import { pause } from "./waiting.ts";

const CLIENTS = 8;
/** Keys in use at the same time: few, so that operations meet. */
const SLOTS = 16;
/** Operations on a key after which its place is taken by a new one; checking a history takes the square of it. */
const KEY_OPERATIONS = 300;
/** One in so many of the keys in use is only asked for with `consistency=strong`. */
const STRONG_EVERY = 4;
const STRONG_PREFIX = "strong/";
const THINK_MS = 40;
/**
 * Share of the operations on keys that are hardly ever touched: what many read and write is repaired by that, and
 * would hide that a node never got its share.
 */
const COLD = 0.06;
const MAX_COLD_KEYS = 3_000;
/** Share of the short values that do not fit into their record. */
const LONG = 0.05;
const LONG_BYTES = 150_000;

/** Whether a key is linearizable, for all its operations are. */
export function isStrong(key: string): boolean {
  return key.startsWith(STRONG_PREFIX);
}

/** What is behind the `?` of a request for the key. */
export function queryOf(key: string): string {
  return isStrong(key) ? "?consistency=strong" : "";
}

/** What all clients have seen. */
export class Witness {
  readonly history = new History(() => performance.now());
  readonly attempts: Attempt[] = [];
  /** Requests to a node that was away. */
  excused = 0;
  /** Values that were not what anybody wrote, in words. */
  readonly torn: string[] = [];
  /** Reads of large values that began and did not come to their end, in words. */
  readonly cutShort: string[] = [];

  /** Notes whether a request was served; one to a node that was away says nothing of the ring. */
  attempted(fleet: Fleet, address: string, attempt: Attempt): void {
    const isExcused = !attempt.served && fleet.isExcused(address, attempt.startMs, attempt.endMs);
    if (isExcused) this.excused++;
    else this.attempts.push(attempt);
  }
}

/** Clients that put, get and delete short values through any nodes, and remember what they were told. */
export class Clients {
  readonly #fleet: Fleet;
  readonly #witness: Witness;
  readonly #slots = Array.from({ length: SLOTS }, () => ({ generation: 0, operations: 0 }));
  readonly #running: Promise<void>;
  readonly #cold: string[] = [];
  #stopped = false;
  #values = 0;

  private constructor(fleet: Fleet, witness: Witness, random: SeededRandom) {
    this.#fleet = fleet;
    this.#witness = witness;
    const clients = Array.from(
      { length: CLIENTS },
      (_, i) => this.#work(`c${i + 1}`, random.fork(`c${i + 1}`)),
    );
    this.#running = Promise.all(clients).then(() => {});
  }

  static start(fleet: Fleet, witness: Witness, random: SeededRandom): Clients {
    return new Clients(fleet, witness, random);
  }

  /** Ends all clients, each after its present request. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #work(client: string, random: SeededRandom): Promise<void> {
    while (!this.#stopped) {
      await pause(random.exponential(THINK_MS));
      const { address } = this.#fleet.pick(random);
      if (random.chance(COLD)) {
        await this.#workCold(client, address, random);
        continue;
      }
      const key = this.#takeKey(random);
      const dice = random.next();
      if (dice < 0.4) await this.#get(client, key, address);
      else if (dice < 0.45) await this.#peek(key, address);
      else if (dice < 0.85) await this.#put(client, key, address, random);
      else await this.#delete(client, key, address);
    }
  }

  /** Mostly puts a new key that is left alone from then on, until the end or long after. */
  async #workCold(client: string, address: string, random: SeededRandom): Promise<void> {
    const dice = random.next();
    if (this.#cold.length < MAX_COLD_KEYS && (dice < 0.7 || this.#cold.length === 0)) {
      const key = `cold/${this.#cold.length}`;
      this.#cold.push(key);
      return await this.#put(client, key, address, random);
    }
    const key = random.pick(this.#cold);
    if (dice < 0.85) await this.#delete(client, key, address);
    else await this.#get(client, key, address);
  }

  #takeKey(random: SeededRandom): string {
    const index = random.below(SLOTS);
    const slot = this.#slots[index]!;
    if (++slot.operations > KEY_OPERATIONS) {
      Object.assign(slot, { generation: slot.generation + 1, operations: 1 });
    }
    const name = `k${index}.${slot.generation}`;
    return index % STRONG_EVERY === 0 ? `${STRONG_PREFIX}${name}` : name;
  }

  async #get(client: string, key: string, address: string): Promise<void> {
    await this.#operate(client, "get", key, address, () => get(address, key, queryOf(key)));
  }

  async #delete(client: string, key: string, address: string): Promise<void> {
    await this.#operate(client, "delete", key, address, () => remove(address, key, queryOf(key)));
  }

  async #put(client: string, key: string, address: string, random: SeededRandom): Promise<void> {
    const value = `${key}#${++this.#values}`;
    const bytes = random.chance(LONG) ? random.between(32_700, LONG_BYTES) : random.between(1, 300);
    const payload = makePayload(value, Math.floor(bytes)) as Uint8Array<ArrayBuffer>;
    await this.#operate(client, "put", key, address, () => put(address, key, payload, queryOf(key)), value);
  }

  async #operate(
    client: string,
    kind: Operation["kind"],
    key: string,
    coordinator: string,
    ask: () => Promise<Answered>,
    value?: string,
  ): Promise<void> {
    const call = { client, kind, key, coordinator, ...(value !== undefined && { value }) };
    const operation = this.#witness.history.begin(call);
    const answer = await ask();
    this.#witness.history.end(operation, answer.outcome);
    this.#note(key, coordinator, operation.startMs, kind !== "get", answer);
  }

  /** A read that may be stale, but not torn. */
  async #peek(key: string, address: string): Promise<void> {
    const startMs = performance.now();
    const answer = await get(address, key, "?consistency=one");
    this.#note(key, address, startMs, false, answer);
  }

  #note(key: string, address: string, startMs: number, isWrite: boolean, answer: Answered): void {
    const { outcome, served, torn } = answer;
    if (torn !== undefined) this.#witness.torn.push(torn);
    const reason = "reason" in outcome && !served ? { reason: `${address}: ${outcome.reason}` } : {};
    const attempt = { key, isWrite, startMs, endMs: performance.now(), served, ...reason };
    this.#witness.attempted(this.#fleet, address, attempt);
  }
}
