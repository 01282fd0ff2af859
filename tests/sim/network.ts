import { DhtError } from "../../lib/core/errors.ts";
import { hash128 } from "../../lib/core/hash.ts";
import type { CallOptions, Transport } from "../../lib/ports/transport.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Life } from "./sim_process.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import type { Trace } from "./trace.ts";

/** One end of the network: a run of a node. Once it has died it sends, hears and answers nothing. */
export interface Endpoint extends Life {
  readonly address: string;
  /** Called when it dies. */
  readonly onDeath: Set<() => void>;
  /** Answers a message; undefined while nobody listens. */
  readonly receive: ((message: Uint8Array) => Promise<Uint8Array>) | undefined;
}

/** How bad the network is. Messages overtake one another because their delays differ. */
export interface Weather {
  /** Least and, beside rare outliers, mean time one message takes. */
  minDelayMs: number;
  meanDelayMs: number;
  /** Probability that a message takes up to a hundred times as long. */
  slow: number;
  /** Probability that a request is lost, and that a reply is. */
  loss: number;
  /** Probability that a request arrives twice. */
  duplicate: number;
}

/** A network that neither loses nor repeats. */
export const FAIR: Readonly<Weather> = {
  minDelayMs: 0.2,
  meanDelayMs: 0.8,
  slow: 0.02,
  loss: 0,
  duplicate: 0,
};

/** A connection to nobody is refused as often as it is simply not answered: a dead process, a dead machine. */
const REFUSED = 0.5;

/** Share of the lost messages that nobody notices before the caller's patience ends. */
const SILENT = 0.2;

/** Whether a message of so many bytes is stopped: a request on its way there, or the reply to one on its way back. */
export type Blocks = (from: string, to: string, way: Way, bytes: number) => boolean;

/** Of a message: a request or a reply. */
export type Way = "there" | "back";

/** The virtual network between all nodes. */
export class Network {
  readonly weather: Weather = { ...FAIR };
  /** Mean milliseconds that each message from or to an address takes longer: a node that is slow. */
  readonly slowness: Map<string, number> = new Map();
  /** Messages that were sent, lost, cut off by a partition, and delivered twice. */
  readonly counts = { sent: 0, lost: 0, cut: 0, twice: 0 };
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #trace: Trace;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #cuts = new Set<Cut>();

  constructor(scheduler: Scheduler, random: SeededRandom, trace: Trace) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#trace = trace;
  }

  /** Gives an address to a run of a node; messages to it go there from now on. */
  attach(endpoint: Endpoint): void {
    this.#endpoints.set(endpoint.address, endpoint);
  }

  /** Stops messages, replies included, from every address of `from` to every one of `to`; silently. */
  cut(from: readonly string[], to: readonly string[]): () => void {
    return this.cutWhere((sender, receiver) => from.includes(sender) && to.includes(receiver));
  }

  /**
   * Stops messages where `blocks` says so; returns how to let them pass again.
   *
   * @param options.refuses Whether the sender is told at once, as by a firewall that rejects; else there is silence.
   */
  cutWhere(
    blocks: Blocks,
    { refuses = false }: { readonly refuses?: boolean } = {},
  ): () => void {
    const cut = { blocks, refuses };
    this.#cuts.add(cut);
    return () => void this.#cuts.delete(cut);
  }

  /** Lets all messages pass again. */
  healAll(): void {
    this.#cuts.clear();
    this.slowness.clear();
  }

  /** The transport of one run of a node. */
  transportOf(sender: Endpoint): Transport {
    return { call: (address, message, options) => this.#call(sender, address, message, options) };
  }

  #call(sender: Endpoint, address: string, message: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    // A dead node may still run to the end of what it was doing; nobody notices.
    sender.reach("before it sends");
    if (!sender.alive) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      const done = (settle: () => void): void => {
        timer.cancelled = true;
        options.signal?.removeEventListener("abort", giveUp);
        sender.perform(settle);
      };
      const fail = (reason: string | DhtError): void =>
        done(() => reject(typeof reason === "string" ? unreachable(address, reason) : reason));
      const giveUp = (): void => fail("the caller gave up");
      const timer = this.#scheduler.after(
        options.timeoutMs,
        () => fail(`timed out after ${options.timeoutMs} ms`),
      );
      options.signal?.addEventListener("abort", giveUp, { once: true });
      if (options.signal?.aborted) return giveUp();
      const exchange = {
        sender,
        address,
        message,
        fail,
        answer: (reply: Uint8Array) =>
          done(() => {
            sender.reach("as a reply comes");
            if (sender.alive) resolve(reply);
          }),
      };
      this.#send(exchange);
      if (this.#random.chance(this.weather.duplicate)) {
        this.counts.twice++;
        this.#send({ ...exchange, fail: () => {}, answer: () => {} });
      }
      sender.reach("after it sent");
    });
  }

  #send(exchange: Exchange): void {
    const { address, message } = exchange;
    this.#carry(exchange, "there", message, () => {
      const target = this.#endpoints.get(address);
      if (target?.alive === true && target.receive !== undefined) {
        return target.perform(() => this.#deliver(exchange, target));
      }
      if (!this.#random.chance(REFUSED)) return;
      this.#carry(exchange, "back", NO_BYTES, () => exchange.fail("connection refused"));
    });
  }

  #deliver(exchange: Exchange, target: Endpoint): void {
    const { message, fail, answer } = exchange;
    target.reach("as a message comes");
    // It may have been paused until now, and may listen no more.
    if (!target.alive || target.receive === undefined) return;
    let answered = false;
    const back = (bytes: Uint8Array, arrive: () => void): void => {
      if (answered) return;
      answered = true;
      this.#carry(exchange, "back", bytes, arrive);
    };
    // Whether the other side of a connection learns that a process died, is chance.
    const noticed = this.#random.chance(REFUSED);
    const onDeath = (): void => {
      if (noticed) back(NO_BYTES, () => fail("connection lost"));
    };
    target.onDeath.add(onDeath);
    const reply = (bytes: Uint8Array, arrive: () => void): void => {
      target.reach("before it answers");
      target.onDeath.delete(onDeath);
      if (target.alive) back(bytes, arrive);
      target.reach("after it answered");
    };
    target.receive(message.slice()).then(
      (bytes) => reply(bytes, () => answer(bytes.slice())),
      (error) => reply(NO_BYTES, () => fail(refusal(error))),
    );
  }

  /** Most connections that lose something break, and the caller learns of it; the others are silent. */
  #breakLater({ fail }: Exchange): void {
    if (this.#random.chance(SILENT)) return;
    this.#scheduler.after(this.#random.between(1, 300), () => fail("connection lost"));
  }

  /** Brings bytes from one address to another, or loses them. */
  #carry(exchange: Exchange, way: Way, bytes: Uint8Array, arrive: () => void): void {
    const { sender, address } = exchange;
    const [from, to] = way === "there" ? [sender.address, address] : [address, sender.address];
    this.counts.sent++;
    const lost = this.#random.chance(this.weather.loss);
    const delayMs = this.#delayMs() + this.#slownessOf(from) + this.#slownessOf(to);
    this.#trace.count(`${from} > ${to} ${fingerprint(bytes)} ${lost ? "lost" : delayMs}`);
    if (lost) {
      this.counts.lost++;
      return this.#breakLater(exchange);
    }
    this.#scheduler.after(delayMs, () => {
      // A cut stops also what was on its way when it came.
      const cut = this.#cutBetween(from, to, way, bytes.length);
      if (cut === undefined) return arrive();
      this.counts.cut++;
      if (cut.refuses) exchange.fail("no way to that host");
    });
  }

  #cutBetween(from: string, to: string, way: Way, bytes: number): Cut | undefined {
    for (const cut of this.#cuts) if (cut.blocks(from, to, way, bytes)) return cut;
    return undefined;
  }

  #slownessOf(address: string): number {
    const meanMs = this.slowness.get(address);
    return meanMs === undefined ? 0 : this.#random.exponential(meanMs);
  }

  #delayMs(): number {
    const { minDelayMs, meanDelayMs, slow } = this.weather;
    const delayMs = minDelayMs + this.#random.exponential(meanDelayMs - minDelayMs);
    return this.#random.chance(slow) ? delayMs * this.#random.between(1, 100) : delayMs;
  }
}

interface Cut {
  readonly blocks: Blocks;
  readonly refuses: boolean;
}

interface Exchange {
  readonly sender: Endpoint;
  readonly address: string;
  readonly message: Uint8Array;
  readonly fail: (reason: string | DhtError) => void;
  readonly answer: (reply: Uint8Array) => void;
}

const NO_BYTES = new Uint8Array();

/** Half of the hash is enough to tell messages apart, and words are quicker than hex. */
function fingerprint(bytes: Uint8Array): string {
  const hash = hash128(bytes);
  const view = new DataView(hash.buffer, hash.byteOffset);
  return `${view.getUint32(0)}.${view.getUint32(4)}`;
}

/** What the caller learns of a node that refuses a message: over HTTP, a 401 or a 400. */
function refusal(error: unknown): DhtError | string {
  return error instanceof DhtError && error.code === "unauthorized" ? error : "answered 400";
}

function unreachable(address: string, reason: string): DhtError {
  return new DhtError("peer_unreachable", `Cannot reach ${address}: ${reason}`, { node: address, reason });
}
