import { DhtError } from "../../lib/core/errors.ts";
import { concatChunks } from "../../lib/node/byte_reader.ts";
import type { Client, FoundValue, Written } from "../../lib/node/service.ts";
import { History, type Operation, type Outcome } from "./history.ts";
import type { Host, SimProcess } from "./host.ts";
import { bodyOf, makePayload, readPayload } from "./payload.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import { sentence, type Simulation } from "./simulation.ts";

/** How long a client waits for the answer to a write, and to one try of a read. */
const WRITE_TIMEOUT_MS = 12_000;
const READ_TIMEOUT_MS = 4_000;
/**
 * One of a read's tries must have succeeded by then, while at most one owner of any key is down: four tries, of which
 * three in a row were once seen to take all their time, 12.3 s, while layouts changed; 8.6 s in 10,000 seeds.
 */
export const READ_DEADLINE_MS = 15_000;
const READ_RETRY_MS = 100;
/** Operations after which clients think longer: two short histories find more than one that is twice as long. */
const BUSY = 800;
const IDLE_MS = 500;
/** Share of the writes whose client hangs up early. */
const HANG_UP = 0.02;
const MEAN_HANG_UP_MS = 10;

/** Errors after which a write surely was not made. */
const NOT_WRITTEN: ReadonlySet<string> = new Set(["not_in_ring", "upload_incomplete", "overloaded"]);

/** Options of one put, each with a default. */
export interface PutChoice {
  readonly host?: Host;
  readonly bytes?: number;
  readonly ttlSeconds?: number;
}

/** What clients do. */
export interface WorkloadOptions {
  readonly keys: readonly string[];
  /** Those of the keys on which everything is done with `consistency=strong`. */
  readonly strongKeys: readonly string[];
  readonly clients: number;
  /** Mean pause of a client between two operations. */
  readonly thinkMs: number;
  /** Share of the puts whose value does not fit into its record. */
  readonly large: number;
  /** Bytes of the longest value. */
  readonly largestBytes: number;
  /** Share of the puts whose value expires, after seconds at most. */
  readonly expiring: number;
}

/** A workload with little to it. */
export const LIGHT: WorkloadOptions = {
  keys: ["a", "b", "c", "d/e"],
  strongKeys: [],
  clients: 4,
  thinkMs: 120,
  large: 0.08,
  largestBytes: 150_000,
  expiring: 0,
};

/** Clients that put, get and delete through whichever nodes are up, and remember what they were told. */
export class Workload {
  readonly history: History;
  /** What a client saw that no later look at the history would show. */
  readonly violations: string[] = [];
  /** Longest time that a read took, all its tries together but for those while the ring was in two. */
  longestReadMs = 0;
  /** Whether the clients that were begun only read for now. */
  onlyReads = false;
  readonly #sim: Simulation;
  readonly #options: WorkloadOptions;
  readonly #randoms = new Map<string, SeededRandom>();
  #stopped = false;
  #running: Promise<unknown> = Promise.resolve();
  #values = 0;

  constructor(sim: Simulation, options: Partial<WorkloadOptions> = {}) {
    this.#sim = sim;
    this.#options = { ...LIGHT, ...options };
    this.history = new History(() => sim.nowMs);
  }

  get keys(): readonly string[] {
    return this.#options.keys;
  }

  /** Keys whose histories must be linearizable. */
  get strongKeys(): readonly string[] {
    return this.#options.strongKeys;
  }

  /** Has all clients begin. */
  start(): void {
    const clients = Array.from({ length: this.#options.clients }, (_, i) => this.#work(`c${i + 1}`));
    this.#running = Promise.all(clients);
  }

  /** Ends the clients, each after its present operation. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** One put of a new value; resolves with its end, whatever that is. */
  async put(client: string, key: string, options: PutChoice = {}): Promise<Operation> {
    const value = `${key}#${++this.#values}`;
    const payload = makePayload(value, options.bytes ?? 40);
    const expiry = options.ttlSeconds === undefined ? {} : { ttlSeconds: options.ttlSeconds };
    const operation = { client, kind: "put", key, value, expires: options.ttlSeconds !== undefined } as const;
    return await this.#write(operation, options.host, (process, connection) => {
      const { node } = process.running!;
      const consistency = this.#consistencyOf(key);
      const how = { contentType: "application/octet-stream", consistency, client: connection, ...expiry };
      return node.put(key, bodyOf(payload), how);
    });
  }

  /** One delete. */
  async delete(client: string, key: string, options: { host?: Host } = {}): Promise<Operation> {
    return await this.#write({ client, kind: "delete", key }, options.host, (process, connection) => {
      const how = { consistency: this.#consistencyOf(key), client: connection };
      return process.running!.node.delete(key, how);
    });
  }

  /**
   * One read, tried again at other nodes until it is answered; a violation if that takes too long. Tries while the
   * ring was in two do not count: neither side need have a majority of the key's owners in both layouts.
   */
  async get(client: string, key: string, options: { host?: Host } = {}): Promise<Operation | undefined> {
    const { splits } = this.#sim;
    let waitedMs = 0;
    let last: Operation | undefined;
    while (waitedMs < READ_DEADLINE_MS) {
      const startMs = this.#sim.nowMs;
      const whole = splits.ended;
      const triedMs = () => whole === splits.begun ? this.#sim.nowMs - startMs : 0;
      const process = (options.host ?? this.#pick(client, last?.coordinator))?.process;
      if (process !== undefined) {
        last = await this.#read(client, key, process);
        if (last.outcome.kind === "read") {
          this.longestReadMs = Math.max(this.longestReadMs, waitedMs + triedMs());
          return last;
        }
      }
      await this.#sim.sleep(READ_RETRY_MS);
      waitedMs += triedMs();
    }
    const reason = last?.outcome.kind === "unknown" ? last.outcome.reason : "no node was up";
    this.violations.push(`key ${key} could not be read for ${READ_DEADLINE_MS} virtual ms: ${reason}`);
    return undefined;
  }

  async #work(client: string): Promise<void> {
    const random = this.#randomOf(client);
    const { keys, thinkMs } = this.#options;
    while (!this.#stopped) {
      await this.#sim.sleep(random.exponential(this.history.operations.length < BUSY ? thinkMs : IDLE_MS));
      const key = random.pick(keys);
      const dice = random.next();
      if (this.onlyReads || dice < 0.45) await this.get(client, key);
      else if (dice < 0.85) await this.put(client, key, this.#drawPut(key, random));
      else await this.delete(client, key);
    }
  }

  #consistencyOf(key: string): "quorum" | "strong" {
    return this.#options.strongKeys.includes(key) ? "strong" : "quorum";
  }

  #drawPut(key: string, random: SeededRandom): PutChoice {
    const { large, largestBytes, expiring, strongKeys } = this.#options;
    const bytes = Math.floor(
      random.chance(large) ? random.between(32_700, largestBytes) : random.between(1, 200),
    );
    // An end that comes by itself is a write that no client has made: histories of strong keys have no place for it.
    return random.chance(expiring) && !strongKeys.includes(key)
      ? { bytes, ttlSeconds: 1 + random.below(5) }
      : { bytes };
  }

  async #write(
    call: Pick<Operation, "client" | "kind" | "key" | "value" | "expires">,
    chosen: Host | undefined,
    work: (process: SimProcess, connection: Client) => Promise<Written>,
  ): Promise<Operation> {
    const process = (chosen ?? this.#pick(call.client))?.process;
    const operation = this.history.begin({ ...call, coordinator: process?.address ?? "nobody" });
    if (process === undefined) {
      this.history.end(operation, { kind: "refused", reason: "no node was up" });
      return operation;
    }
    const random = this.#randomOf(call.client);
    const patienceMs = random.chance(HANG_UP) ? random.exponential(MEAN_HANG_UP_MS) : WRITE_TIMEOUT_MS;
    try {
      const { version } = await this.#call(process, patienceMs, (connection) => work(process, connection));
      this.history.end(operation, { kind: "acknowledged", version });
    } catch (error) {
      const refused = error instanceof DhtError && NOT_WRITTEN.has(error.code);
      this.history.end(operation, { kind: refused ? "refused" : "unknown", reason: sentence(error) });
    }
    return operation;
  }

  async #read(client: string, key: string, process: SimProcess): Promise<Operation> {
    const operation = this.history.begin({ client, kind: "get", key, coordinator: process.address });
    try {
      const outcome = await this.#call(process, READ_TIMEOUT_MS, async (connection) => {
        const how = { consistency: this.#consistencyOf(key), client: connection };
        return await this.#outcomeOf(await process.running!.node.get(key, how));
      });
      this.history.end(operation, outcome);
    } catch (error) {
      this.history.end(operation, { kind: "unknown", reason: sentence(error) });
    }
    return operation;
  }

  /** Reads a value to its end and makes sure that it is whole. */
  async #outcomeOf(found: FoundValue | undefined): Promise<Outcome> {
    if (found === undefined) return { kind: "read" };
    const bytes = found.bytes ?? concatChunks(await Array.fromAsync(found.stream()));
    const value = bytes.length === found.valueBytes ? readPayload(bytes) : undefined;
    if (value === undefined) this.violations.push(`a value of ${found.valueBytes} bytes was not whole`);
    return { kind: "read", value: value ?? "broken", version: found.version };
  }

  /** A call over a connection, which breaks when the node dies, and which the client ends in the end. */
  #call<T>(process: SimProcess, timeoutMs: number, work: (connection: Client) => Promise<T>): Promise<T> {
    const connection = new AbortController();
    return new Promise((resolve, reject) => {
      const done = (settle: () => void): void => {
        timer.cancelled = true;
        process.onDeath.delete(onDeath);
        settle();
      };
      const onDeath = (): void => done(() => reject(new Error("the connection broke")));
      const timer = this.#sim.scheduler.after(timeoutMs, () => {
        done(() => reject(new Error(`no answer within ${Math.round(timeoutMs)} ms`)));
        process.perform(() => connection.abort(new Error("The client has gone")));
      });
      process.onDeath.add(onDeath);
      process.perform(() => {
        Promise.resolve(connection).then(work).then(
          (value) => done(() => resolve(value)),
          (error) => done(() => reject(error)),
        );
      });
    });
  }

  /** A node that is up, by this client's choice; another than `last` where there is one. */
  #pick(client: string, last?: string): Host | undefined {
    const { ready } = this.#sim;
    const others = ready.filter((host) => host.address !== last);
    const choice = others.length > 0 ? others : ready;
    return choice.length === 0 ? undefined : this.#randomOf(client).pick(choice);
  }

  #randomOf(client: string): SeededRandom {
    let random = this.#randoms.get(client);
    if (random === undefined) this.#randoms.set(client, random = this.#sim.random.fork(`client ${client}`));
    return random;
  }
}
