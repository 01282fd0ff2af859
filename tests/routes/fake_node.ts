import { createHash } from "node:crypto";
import { DhtError } from "../../lib/core/errors.ts";
import type { BackgroundView } from "../../lib/node/background.ts";
import type { Health } from "../../lib/core/health.ts";
import type { Version } from "../../lib/core/hlc.ts";
import type { Plan, PlannedChange } from "../../lib/core/plan.ts";
import type {
  ByteRange,
  ChangeView,
  Consistency,
  DeleteOptions,
  FoundValue,
  JoinRequest,
  KeyPage,
  Metric,
  NodeService,
  NodeView,
  PutBody,
  PutOptions,
  RequestOptions,
  RingView,
  StatusView,
  TaskView,
  Written,
} from "../../lib/node/service.ts";

interface Held {
  readonly version: Version;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly contentType: string;
  readonly expiresMs?: number;
}

type Method = Exclude<keyof NodeService, "readiness" | "whereIs" | "metrics" | "ring">;

const ENCODER = new TextEncoder();

/** Values up to this many bytes are found with their bytes, longer ones only as a stream. */
const INLINE_BYTES = 64;

/** A node of one process: a map of keys, with the ring and the failures a test gives it. */
export class FakeNode implements NodeService {
  /** Milliseconds since 1970 that the next write is stamped with. */
  nowMs = Date.UTC(2026, 0, 31, 9, 5, 7, 250);
  nodes: NodeView[] = ["localhost:50140", "localhost:50141", "localhost:50142"].map((address) =>
    nodeView(address)
  );
  changing = false;
  warnings: string[] = [];
  notes: string[] = [];
  background: BackgroundView[] = [];
  change: ChangeView | undefined;
  unverifiedPartitions = 0;
  localComplete = true;
  health: Health = {
    unreadable: 0,
    unwritable: 0,
    thin: new Set(),
    missing: [],
    spareToRead: 1,
    spareToWrite: 1,
    zoneMayFail: false,
  };
  notReady: string | undefined;
  /** What a method throws instead of answering. */
  readonly failures = new Map<Method, unknown>();
  /** Arguments of the calls that change something or ask in a certain way, in order. */
  readonly calls: unknown[][] = [];
  readonly held = new Map<string, Held>();
  #counter = 0;

  async put(
    key: string,
    body: PutBody,
    options: PutOptions,
  ): Promise<Written> {
    this.#failIfTold("put");
    const bytes = body === undefined ? new Uint8Array() : await new Response(body as BodyInit).bytes();
    const existed = this.held.has(key);
    const version = this.#stamp();
    const { contentType, ttlSeconds } = options;
    const expiry = ttlSeconds === undefined ? {} : { expiresMs: this.nowMs + 1_000 * ttlSeconds };
    this.held.set(key, { version, bytes, contentType, ...expiry });
    const { consistency = "quorum" } = options;
    this.calls.push(["put", key, contentType, ...(consistency === "quorum" ? [] : [consistency])]);
    const acknowledged = this.whereIs(key).nodes.slice(0, 2);
    return { version, valueBytes: bytes.length, acknowledged, existed, ...expiry };
  }

  get(
    key: string,
    options: RequestOptions & { readonly consistency: Consistency },
  ): Promise<FoundValue | undefined> {
    return this.#promise("get", () => {
      this.calls.push(["get", key, options.consistency]);
      const held = this.held.get(key);
      return held === undefined ? undefined : found(held);
    });
  }

  getNow(_key: string, _consistency: Consistency): FoundValue | undefined | "unknown" {
    return "unknown";
  }

  delete(key: string, { consistency = "quorum" }: DeleteOptions): Promise<Written> {
    return this.#promise("delete", () => {
      this.calls.push(["delete", key, ...(consistency === "quorum" ? [] : [consistency])]);
      const existed = this.held.delete(key);
      return {
        version: this.#stamp(),
        valueBytes: 0,
        acknowledged: this.whereIs(key).nodes.slice(0, 2),
        existed,
      };
    });
  }

  list(
    { prefix, after, limit }: RequestOptions & { prefix: string; after?: string; limit: number },
  ): Promise<KeyPage> {
    return this.#promise("list", () => {
      this.calls.push(["list", prefix, after, limit]);
      const keys = [...this.held.keys()].sort(byBytes)
        .filter((key) => key.startsWith(prefix) && (after === undefined || byBytes(key, after) > 0));
      const page = keys.slice(0, limit).map((key) => {
        const { bytes, ...head } = this.held.get(key) as Held;
        return { key, ...head, valueBytes: bytes.length, ...this.whereIs(key) };
      });
      const last = page.at(-1)?.key;
      return keys.length > limit && last !== undefined ? { keys: page, next: last } : { keys: page };
    });
  }

  localVersion(key: string): Promise<Version | undefined> {
    return this.#promise("localVersion", () => this.held.get(key)?.version);
  }

  whereIs(key: string): { partition: number; nodes: string[] } {
    const partition = createHash("sha256").update(key).digest().readUInt32BE() % 16_384;
    const first = partition % this.nodes.length;
    const turned = [...this.nodes.slice(first), ...this.nodes.slice(0, first)];
    return { partition, nodes: turned.slice(0, 3).map((node) => node.address) };
  }

  ring(): RingView {
    return {
      ringId: "9f2c41d07be35a86",
      self: this.nodes[0]?.address ?? "",
      replicas: 3,
      partitions: 16_384,
      layout: "4be1c09a",
      changing: this.changing,
      nodes: this.nodes,
    };
  }

  status(): Promise<StatusView> {
    return this.#promise("status", () => {
      const bytes = [...this.held.values()].reduce((sum, held) => sum + held.bytes.length, 0);
      return {
        version: "0.1.0",
        startedMs: this.nowMs - 3 * 3_600_000,
        nowMs: this.nowMs,
        ring: this.ring(),
        ringKeys: this.held.size,
        ringBytes: bytes,
        countsComplete: this.nodes.every((node) => node.reachable),
        localKeys: this.held.size,
        localComplete: this.localComplete,
        localBytes: bytes,
        warnings: this.warnings,
        notes: this.notes,
        health: this.health,
        ...(this.change === undefined ? {} : { change: this.change }),
        background: this.background,
        oldestVerifiedMs: 61_000,
        unverifiedPartitions: this.unverifiedPartitions,
      };
    });
  }

  readiness(): { ready: true } | { ready: false; reason: string } {
    return this.notReady === undefined ? { ready: true } : { ready: false, reason: this.notReady };
  }

  metrics(): readonly Metric[] {
    return [{
      name: "keys",
      kind: "gauge",
      help: "Keys held\nhere",
      values: [{ labels: { node: 'a"b\\c' }, value: this.held.size }],
    }];
  }

  join(request: JoinRequest): Promise<RingView> {
    return this.#promise("join", () => {
      this.calls.push(["join", request]);
      return this.ring();
    });
  }

  remove(address: string, options: { readonly force: boolean }): Promise<RingView> {
    return this.#promise("remove", () => {
      this.calls.push(["remove", address, options.force]);
      return this.ring();
    });
  }

  leave(): Promise<TaskView> {
    return this.#promise("leave", () => this.#task("leave"));
  }

  cancelLeave(): Promise<TaskView> {
    return this.#promise(
      "cancelLeave",
      () => ({ ...this.#task("leave"), done: true, error: "It was cancelled" }),
    );
  }

  plan(change: PlannedChange): Promise<Plan> {
    return this.#promise("plan", () => {
      this.calls.push(["plan", change]);
      const total = { partitions: 2, bytes: 30, unknown: 0 };
      const empty = { obstacles: [], warnings: [], nodes: [], zones: [], moves: [] };
      return { ...empty, kind: change.kind, address: change.address, total };
    });
  }

  balance(): Promise<TaskView> {
    return this.#promise("balance", () => this.#task("balance"));
  }

  purge(): Promise<TaskView> {
    return this.#promise("purge", () => this.#task("purge"));
  }

  task(id: string): Promise<TaskView> {
    return this.#promise("task", () => {
      if (id === "balance-1") return this.#task("balance");
      throw new DhtError("unknown_task", `Cannot find task "${id}"`);
    });
  }

  receive(message: Uint8Array): Promise<Uint8Array> {
    return this.#promise("receive", () => message.toReversed());
  }

  #task(kind: TaskView["kind"]): TaskView {
    this.calls.push([kind]);
    const counts = { compared: 5, sent: 2, fetched: 1, dropped: 0, failed: 0 };
    return { id: `${kind}-1`, kind, done: false, ...counts, startedMs: this.nowMs };
  }

  #stamp(): Version {
    return { wallMs: this.nowMs, counter: this.#counter++, writer: "s1.1" };
  }

  async #promise<T>(method: Method, answer: () => T): Promise<T> {
    await Promise.resolve();
    this.#failIfTold(method);
    return answer();
  }

  #failIfTold(method: Method): void {
    if (this.failures.has(method)) throw this.failures.get(method);
  }
}

/** A node that is up, with a third of a ring of three. */
export function nodeView(address: string, changes: Partial<NodeView> = {}): NodeView {
  return {
    address,
    storeId: `store-${address.replace(/\W/g, "-")}`,
    state: "up",
    reachable: true,
    primaryPartitions: 5461,
    ownedPartitions: 16_384,
    synced: true,
    weight: 1,
    ...changes,
  };
}

function found({ version, bytes, contentType, ...expiry }: Held): FoundValue {
  const sha256 = new Uint8Array(createHash("sha256").update(bytes).digest());
  return {
    version,
    valueBytes: bytes.length,
    contentType,
    sha256,
    ...expiry,
    ...(bytes.length <= INLINE_BYTES ? { bytes } : {}),
    stream: (range?: ByteRange) => ReadableStream.from(pieces(bytes.subarray(range?.start, range?.end))),
  };
}

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 40) yield bytes.subarray(start, start + 40);
}

function byBytes(a: string, b: string): number {
  const [left, right] = [ENCODER.encode(a), ENCODER.encode(b)];
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
