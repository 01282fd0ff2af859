import type { PutAnswer } from "../../lib/api.ts";
import { uploadFetch } from "../../lib/client/upload_fetch.ts";
import type { Outcome } from "../sim/history.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import type { Witness } from "./clients.ts";
import type { Fleet } from "./fleet.ts";
import { CutShortError, type LargeRead, LargeValue, readLarge } from "./large_value.ts";
import { failureOf, keyUrl, outcomeOfError, parseVersion } from "./requests.ts";
import { pause } from "./waiting.ts";

/** One more than are written and read at a time. */
const KEYS = ["large/0", "large/1", "large/2"] as const;
/** How long one transfer may take on a machine that has much else to do. */
const TRANSFER_MS = 180_000;
const PAUSE_MS = 200;

/** A large value that is put and read again and again, through one node after another. */
export class LargeTraffic {
  readonly keys: Set<string> = new Set();
  puts = 0;
  gets = 0;
  readonly #fleet: Fleet;
  readonly #witness: Witness;
  readonly #mib: number;
  readonly #digests = new Map<string, string>();
  /** Keys that are being read or written: who reads one is to see the same value to its end. */
  readonly #busy = new Set<string>();
  readonly #running: Promise<unknown>;
  #stopped = false;
  #values = 0;

  private constructor(fleet: Fleet, witness: Witness, random: SeededRandom, mib: number) {
    this.#fleet = fleet;
    this.#witness = witness;
    this.#mib = mib;
    this.#running = mib === 0 ? Promise.resolve() : Promise.all([
      this.#again(random.fork("writer"), (key, at) => this.#put(key, at), () => KEYS),
      this.#again(random.fork("reader"), (key, at) => this.#get(key, at), () => [...this.keys]),
    ]);
  }

  static start(fleet: Fleet, witness: Witness, random: SeededRandom, mib: number): LargeTraffic {
    return new LargeTraffic(fleet, witness, random, mib);
  }

  /** Ends it after the transfers that are under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Whether what was read is what was put under that id; says what is wrong. */
  tornText(key: string, { id, sha256, bytes }: LargeRead): string | undefined {
    if (id.startsWith(`${key}#`) && this.#digests.get(id) === sha256) return undefined;
    return `${bytes} bytes of ${key}, which begin as ${id} and have the SHA-256 ${sha256}`;
  }

  async #again(
    random: SeededRandom,
    transfer: (key: string, address: string) => Promise<void>,
    keys: () => readonly string[],
  ): Promise<void> {
    while (!this.#stopped) {
      await pause(PAUSE_MS);
      const free = keys().filter((key) => !this.#busy.has(key));
      if (free.length === 0) continue;
      const key = random.pick(free);
      this.#busy.add(key);
      try {
        await transfer(key, this.#fleet.pick(random).address);
      } finally {
        this.#busy.delete(key);
      }
    }
  }

  async #put(key: string, address: string): Promise<void> {
    const { value, sha256 } = await LargeValue.make(`${key}#${++this.#values}`, this.#mib);
    this.#digests.set(value.id, sha256);
    this.keys.add(key);
    const call = { client: "writer", kind: "put", key, value: value.id, coordinator: address } as const;
    const operation = this.#witness.history.begin(call);
    const outcome = await this.#send(key, address, value).catch(outcomeOfError);
    this.#witness.history.end(operation, outcome);
    if (outcome.kind === "acknowledged") this.puts++;
    this.#note(key, address, operation.startMs, true, outcome);
  }

  async #send(key: string, address: string, value: LargeValue): Promise<Outcome> {
    const response = await uploadFetch(keyUrl(address, key), {
      method: "PUT",
      headers: { "content-length": `${value.bytes}` },
      body: value.stream(),
      signal: AbortSignal.timeout(TRANSFER_MS),
    });
    if (!response.ok) return await failureOf(response);
    const { version }: PutAnswer = await response.json();
    return { kind: "acknowledged", version: parseVersion(version) };
  }

  async #get(key: string, address: string): Promise<void> {
    const call = { client: "reader", kind: "get", key, coordinator: address } as const;
    const operation = this.#witness.history.begin(call);
    const outcome = await this.#read(key, address, operation.startMs).catch(outcomeOfError);
    this.#witness.history.end(operation, outcome);
    if (outcome.kind === "read" && outcome.version !== undefined) this.gets++;
    this.#note(key, address, operation.startMs, false, outcome);
  }

  async #read(key: string, address: string, startMs: number): Promise<Outcome> {
    try {
      const read = await readLarge(address, key, { signal: AbortSignal.timeout(TRANSFER_MS) });
      if (read instanceof Response) {
        const outcome = await failureOf(read);
        return read.status === 404 ? { kind: "read" } : outcome;
      }
      const torn = this.tornText(key, read);
      if (torn !== undefined) this.#witness.torn.push(`${torn}, from ${address}`);
      return {
        kind: "read",
        value: torn === undefined ? read.id : "broken",
        version: parseVersion(read.version),
      };
    } catch (error) {
      // Nobody goes on for a node that dies while it answers; for an owner that dies, it does.
      const isExcused = this.#fleet.isExcused(address, startMs, performance.now());
      if (error instanceof CutShortError && !isExcused) {
        const from = (startMs / 1000).toFixed(3);
        this.#witness.cutShort.push(`${key} from ${address}, begun at ${from} s: ${error.message}`);
      }
      throw error;
    }
  }

  #note(key: string, address: string, startMs: number, isWrite: boolean, outcome: Outcome): void {
    const served = outcome.kind === "acknowledged" || outcome.kind === "read";
    const reason = "reason" in outcome ? { reason: `${address}: ${outcome.reason}` } : {};
    const attempt = { key, isWrite, startMs, endMs: performance.now(), served, ...reason };
    this.#witness.attempted(this.#fleet, address, attempt);
  }
}
