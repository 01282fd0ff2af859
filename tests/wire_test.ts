import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { decode, encode } from "@msgpack/msgpack";
import { DHT_ERROR_CODES, DhtError } from "../lib/core/errors.ts";
import { admitMember, changeMember, type RingState } from "../lib/core/membership.ts";
import { newsOf, printsOf } from "../lib/core/ring_news.ts";
import type { StoredRecord } from "../lib/core/record.ts";
import { sha256 } from "../lib/sha256.ts";
import {
  type Answer,
  type Ask,
  type Call,
  decodeReply,
  decodeRequest,
  decodeRing,
  encodeReply,
  encodeRequest,
  encodeRing,
  type KeyedRecord,
  type Operation,
  type ReplyMessage,
  type RequestMessage,
  WIRE_VERSION,
} from "../lib/wire.ts";
import { report, store, syncedRing } from "./support/rings.ts";
import { SeededRandom } from "./support/seeded_random.ts";

const VERSION = { wallMs: 1_700_000_000_123, counter: 7, writer: "store.3+1" };
const HEAD = {
  version: VERSION,
  kind: "value",
  valueBytes: 3,
  contentType: "text/plain",
  chunked: false,
  expiresMs: undefined,
} as const;
const RECORD: StoredRecord = {
  kind: "value",
  version: VERSION,
  valueBytes: 3,
  contentType: "text/plain",
  sha256: new Uint8Array(32).fill(9),
  body: { kind: "inline", bytes: Uint8Array.of(1, 2, 3) },
};
const TOMBSTONE: StoredRecord = { kind: "tombstone", version: VERSION, expired: false };
const PLACE = { partition: 5, key: "a key/with \u{1f600}" };
const OTHER = { wallMs: 5, counter: 0, writer: "other.1+1" };
/** One of each kind; of a value in the record the receiver computes the SHA-256. */
const KEYED: readonly KeyedRecord[] = [
  { ...PLACE, record: { ...RECORD, sha256: sha256(Uint8Array.of(1, 2, 3)) } },
  { ...PLACE, key: "b", record: TOMBSTONE },
  { ...PLACE, key: "c", record: { ...TOMBSTONE, version: OTHER, expired: true } },
  {
    ...PLACE,
    key: "d",
    record: { ...RECORD, version: OTHER, expiresMs: 9, sha256: sha256(Uint8Array.of(1, 2, 3)) },
  },
  { ...PLACE, key: "e", record: { ...RECORD, valueBytes: 100_000, body: { kind: "blob", id: "b1" } } },
];
const TASK = { id: "t", kind: "balance", done: false, startedMs: 5 } as const;
const COUNTS = { compared: 1, sent: 2, fetched: 3, dropped: 4, failed: 5 };
const RING = changingRing();

type Samples = { readonly [Op in Operation]: { readonly asks: Ask<Op>[]; readonly answers: Answer<Op>[] } };

/** At least one of every operation; those with optional fields both with and without. */
const SAMPLES: Samples = {
  write: {
    asks: (["client", "merge", "admitted"] as const).map((mode) => ({
      ...PLACE,
      entry: Uint8Array.of(1),
      mode,
    })),
    answers: [
      { kind: "stored", held: undefined, hadValue: false },
      { kind: "stale", held: VERSION, hadValue: true },
      { kind: "collected", held: VERSION, hadValue: false },
      { kind: "ahead", held: undefined, hadValue: false },
    ],
  },
  survey: {
    asks: [PLACE],
    answers: [{ held: undefined, hasValue: false, floor: undefined, nowMs: 0 }, {
      held: VERSION,
      hasValue: true,
      floor: VERSION,
      nowMs: 7,
    }],
  },
  read: { asks: [PLACE], answers: [{ record: undefined }, { record: RECORD }, { record: TOMBSTONE }] },
  heads: {
    asks: [{ items: [], strict: undefined }, { items: [PLACE, PLACE], strict: true }],
    answers: [{ heads: [HEAD, undefined], floors: [{ partition: 5, floor: VERSION }] }],
  },
  readChunks: {
    asks: [{ blobId: "b", first: 0, count: 12, place: undefined }, {
      blobId: "b",
      first: 0,
      count: 12,
      place: PLACE,
    }],
    answers: [{ chunks: [] }, { chunks: [Uint8Array.of(1), new Uint8Array()] }],
  },
  openUpload: { asks: [{ id: "u" }], answers: [{}] },
  writeChunks: { asks: [{ id: "u", first: 3, chunks: [Uint8Array.of(1, 2)] }], answers: [{}] },
  abortUpload: { asks: [{ id: "u" }], answers: [{}] },
  hint: { asks: [{ target: "a:1/s", items: [PLACE] }], answers: [{}] },
  handoff: { asks: [{ target: "a:1/s" }], answers: [{ left: 3 }] },
  pullRecord: { asks: [{ ...PLACE, record: RECORD, source: "a:1/s" }], answers: [{ held: true }] },
  scan: {
    asks: [{ ranges: [] }, { ranges: [{ partition: 1, after: undefined }, { partition: 2, after: "k" }] }],
    answers: [
      { pages: [{ entries: [], next: undefined, damaged: true }] },
      { pages: [{ entries: [{ key: "k", head: HEAD }], next: "k", damaged: false }] },
    ],
  },
  scanRecords: {
    asks: [{ ranges: [{ partition: 1, after: undefined }, { partition: 2, after: "k" }] }],
    answers: [
      { pages: [{ entries: [], next: undefined, damaged: true }] },
      { pages: [{ entries: KEYED, next: "k", damaged: false }] },
    ],
  },
  readRecords: {
    asks: [{ items: [PLACE] }],
    answers: [{ answered: 7, records: KEYED, damaged: [3] }],
  },
  mergeRecords: {
    asks: [{ records: [] }, { records: KEYED }],
    answers: [{ outcomes: ["stored", "duplicate", "stale", "collected", "damaged"] }],
  },
  digests: {
    asks: [{ partitions: undefined }, { partitions: [1, 2] }],
    answers: [{
      digests: [{ partition: 1, records: 2, values: 1, valueBytes: 3, hash: "ff", damaged: 1 }],
      floors: [{ partition: 2, floor: VERSION }],
    }],
  },
  raiseFloor: { asks: [{ partition: 1, floor: VERSION }], answers: [{}] },
  confirmTombstones: {
    asks: [{ partition: 1, tombstones: [{ key: "k", version: VERSION, expired: true }] }],
    answers: [{ confirmed: [true, false] }],
  },
  collectTombstones: { asks: [{ partition: 1, tombstones: [] }], answers: [{ removed: 2 }] },
  tree: {
    asks: [{ owner: "a:1/s", level: 2, nodes: [0, 3], comparing: "by itself" }],
    answers: [{ hashes: ["", "ff"] }],
  },
  counts: { asks: [{ down: ["a:1"] }], answers: [{ partitions: 4, values: 2, valueBytes: 3 }] },
  listKeys: {
    asks: [{ prefix: "", after: undefined, limit: 9 }, { prefix: "p", after: "k", limit: 9 }],
    answers: [{ page: new Uint8Array([1, 2]), next: undefined, damaged: [] }, {
      page: new Uint8Array(),
      next: "k",
      damaged: [1, 2],
    }],
  },
  join: {
    asks: [
      { address: "a:1", storeId: "s", incarnation: 2, weight: undefined, zone: undefined },
      { address: "a:1", storeId: "s", incarnation: 2, weight: 0.5, zone: "x" },
    ],
    answers: [{ ring: RING }],
  },
  exchange: {
    asks: [{ hash: "ff", whole: false }, { hash: "ff", whole: true }],
    answers: [
      { ring: undefined, prints: undefined, nowMs: 7 },
      { ring: undefined, prints: printsOf(RING.members), nowMs: 7 },
      { ring: RING, prints: undefined, nowMs: 7 },
    ],
  },
  compare: {
    asks: [{ news: newsOf(RING), wants: ["a:1"] }],
    answers: [{ understood: false, news: newsOf({ ...RING, members: new Map() }) }],
  },
  news: { asks: [{ news: newsOf(RING) }], answers: [{ understood: true }] },
  merge: { asks: [{ ring: RING }, { ring: { ...RING, members: new Map() } }], answers: [{}] },
  welcome: { asks: [{ ring: RING }], answers: [{}] },
  progress: {
    asks: [{}],
    answers: [
      { live: "l", partitionsLeft: 1, bytesLeft: 2, bytesPerSecond: 3, error: "e", diskFull: true },
      {
        live: "l",
        partitionsLeft: 1,
        bytesLeft: undefined,
        bytesPerSecond: 3,
        error: undefined,
        diskFull: false,
      },
    ],
  },
  probe: { asks: [{ address: "a:1" }], answers: [{ reached: false }] },
  startTask: { asks: [{ id: "t", kind: "balance" }], answers: [{}] },
  task: {
    asks: [{ id: "t" }],
    answers: [
      { task: undefined },
      { task: { ...TASK, ...COUNTS, error: undefined, endedMs: undefined } },
      { task: { ...TASK, ...COUNTS, done: true, error: "none answered", endedMs: 9 } },
    ],
  },
};

const ALL_CALLS: readonly Call[] = Object.entries(SAMPLES).flatMap(([op, { asks }]) =>
  asks.map((ask) => ({ op: op as Operation, ask }))
);

for (const [op, { asks, answers }] of Object.entries(SAMPLES) as [Operation, Samples[Operation]][]) {
  Deno.test(`message given ${op}, then what is asked and answered arrives as it was sent`, () => {
    const calls = asks.map((ask) => ({ op, ask }));
    assertEquals(decodeRequest(encodeRequest(requestOf(calls))), requestOf(calls));
    const reply: ReplyMessage = {
      kind: "results",
      outcomes: answers.map((answer) => ({ ok: true, answer })),
    };
    const asked = answers.map(() => calls[0]!);
    assertEquals(decodeReply(encodeReply(reply, asked), asked), reply);
  });
}

Deno.test("request given no ring, store and layouts, then they stay absent", () => {
  const request = { ...requestOf([]), ringId: undefined, toStoreId: undefined, live: undefined };
  assertEquals(decodeRequest(encodeRequest(request)), request);
});

Deno.test("reply given failures among results, then each comes back in its place, with its facts", () => {
  const facts = { node: "a:1", required: 2, again: true, asked: ["a:1", "b:1"] };
  const error = new DhtError("disk_full", "Cannot write: the disk is full", facts);
  const calls = [ALL_CALLS[0]!, ALL_CALLS[0]!];
  const answer = SAMPLES.write.answers[0]!;
  const reply = decodeReply(
    encodeReply({ kind: "results", outcomes: [{ ok: false, error }, { ok: true, answer }] }, calls),
    calls,
  );
  assert(reply.kind === "results");
  const [failed, done] = reply.outcomes;
  assert(failed?.ok === false && done?.ok === true);
  assertEquals([failed.error.code, failed.error.message, failed.error.facts], [
    error.code,
    error.message,
    facts,
  ]);
  assertEquals(done.answer, answer);
});

for (const ring of [undefined, RING]) {
  Deno.test(`reply given a refusal ${ring ? "with" : "without"} a ring, then it comes back whole`, () => {
    const error = new DhtError("layout_mismatch", "Cannot answer", { node: "a:1" });
    const reply = decodeReply(encodeReply({ kind: "refused", error, ring }, ALL_CALLS), ALL_CALLS);
    assert(reply.kind === "refused");
    assertEquals([reply.error.code, reply.error.facts], [error.code, error.facts]);
    assertEquals(reply.ring, ring);
  });
}

Deno.test("reply given each code of an error, then it comes back", () => {
  for (const code of DHT_ERROR_CODES) {
    const sent: ReplyMessage = { kind: "refused", error: new DhtError(code, "x"), ring: undefined };
    const reply = decodeReply(encodeReply(sent, []), []);
    assert(reply.kind === "refused");
    assertEquals(reply.error.code, code);
  }
});

const BAD_FACTS: Record<string, unknown> = {
  "no facts": undefined,
  "a list": ["node"],
  "a text": "node",
  "a fact that is null": { node: null },
  "a fact that is an object": { node: {} },
  "a fact that is a list of numbers": { asked: [1] },
};

for (const [name, facts] of Object.entries(BAD_FACTS)) {
  Deno.test(`reply given an error with ${name} in place of its facts, then it is refused as malformed`, () => {
    assertBadMessage(() =>
      decodeReply(encode([WIRE_VERSION, ["stopping", "Cannot answer", facts], null]), [])
    );
  });
}

Deno.test("reply given an error whose message is very long, then its beginning arrives", () => {
  const error = new DhtError("store_failed", "x".repeat(10_000));
  const reply = decodeReply(encodeReply({ kind: "refused", error, ring: undefined }, []), []);
  assert(reply.kind === "refused");
  assertEquals(reply.error.message, "x".repeat(4_096));
});

Deno.test("reply given as many results as were asked for, and then one more or less, then it is refused", () => {
  const calls = SAMPLES.probe.asks.map((ask) => ({ op: "probe", ask } as const));
  const bytes = encodeReply({ kind: "results", outcomes: [{ ok: true, answer: { reached: true } }] }, calls);
  assertEquals(decodeReply(bytes, calls).kind, "results");
  assertBadMessage(() => decodeReply(bytes, []));
  assertBadMessage(() => decodeReply(bytes, [...calls, ...calls]));
});

Deno.test("decodeRing() given an encoded ring, then the same ring", () => {
  assertEquals(decodeRing(encodeRing(RING)), RING);
});

Deno.test("encodeRing() given its members came in another order, then the same bytes", () => {
  const members = new Map(new SeededRandom(1).shuffled([...RING.members]));
  assertNotEquals([...members.keys()], [...RING.members.keys()]);
  assertEquals(encodeRing({ ...RING, members }), encodeRing(RING));
});

const BAD_RINGS: Record<string, RingState> = {
  "no partitions": { ...RING, partitions: 0 },
  "more partitions than there may be": { ...RING, partitions: 65_537 },
  "no copies": { ...RING, replicas: 0 },
  "a base without members": { ...RING, base: { ...RING.base, members: [] } },
  "a base without copies": { ...RING, base: { ...RING.base, replicas: 0 } },
  "a member without weight": {
    ...RING,
    members: new Map([["a", { ...RING.members.get("a")!, weight: 0 }]]),
  },
};

for (const [name, ring] of Object.entries(BAD_RINGS)) {
  Deno.test(`decodeRing() given ${name}, then it refuses`, () => {
    assertBadMessage(() => decodeRing(encodeRing(ring)));
  });
}

/** All that is decoded, as bytes that are right and the decoder that reads them. */
const MESSAGES: Record<string, readonly [Uint8Array, (bytes: Uint8Array) => unknown]> = (() => {
  const calls = Object.entries(SAMPLES).flatMap(([op, { answers }]) =>
    answers.map(() => ({ op: op as Operation, ask: undefined }))
  );
  const outcomes = Object.values(SAMPLES).flatMap(({ answers }) =>
    [...answers].map((answer) => ({ ok: true, answer } as const))
  );
  const error = new DhtError("wrong_store", "Cannot answer", { node: "a:1", asked: ["b"] });
  const failed = [...outcomes.slice(1), { ok: false, error } as const];
  const read = (bytes: Uint8Array) => decodeReply(bytes, calls);
  const shifted = [...calls.slice(1), calls[0]!];
  return {
    request: [encodeRequest(requestOf(ALL_CALLS)), decodeRequest],
    reply: [encodeReply({ kind: "results", outcomes }, calls), read],
    "reply with a failure": [
      encodeReply({ kind: "results", outcomes: failed }, shifted),
      (bytes) => decodeReply(bytes, shifted),
    ],
    refusal: [encodeReply({ kind: "refused", error, ring: RING }, calls), read],
    ring: [encodeRing(RING), decodeRing],
  };
})();

for (const [name, [bytes, read]] of Object.entries(MESSAGES)) {
  Deno.test(`${name} given it is whole, then it is read`, () => {
    read(bytes);
  });

  Deno.test(`${name} given any one field is of a wrong type, then it is refused as malformed`, () => {
    const plain = decode(bytes);
    for (const path of pathsOf(plain)) {
      const wrong = encode(replaced(plain, path, wrongFor));
      assertBadMessage(() => read(wrong), `field ${path.join(".")}`);
    }
  });

  Deno.test(`${name} given any one field is anything, then it is read or refused as malformed`, () => {
    const plain = decode(bytes);
    const anything: unknown[] = [
      null,
      -1,
      0.5,
      2 ** 63,
      "",
      "x".repeat(5_000),
      true,
      [],
      [[]],
      {},
      { toString: 1 },
      new Date(0),
    ];
    for (const path of pathsOf(plain)) {
      for (const value of anything) {
        const changed = encode(replaced(plain, path, () => value));
        assertReadOrBad(() => read(changed), `field ${path.join(".")} = ${JSON.stringify(value)}`);
      }
    }
  });

  Deno.test(`${name} given it was cut off anywhere, then it is refused as malformed`, () => {
    for (let length = 0; length < bytes.length; length++) {
      assertBadMessage(() => read(bytes.slice(0, length)), `${length} bytes`);
    }
  });

  Deno.test(`${name} given bits were flipped, then it is read or refused as malformed`, () => {
    const random = new SeededRandom(11);
    for (let round = 0; round < 2_000; round++) {
      const changed = bytes.slice();
      const flips = 1 + random.below(4);
      for (let i = 0; i < flips; i++) changed[random.below(changed.length)]! ^= 1 << random.below(8);
      assertReadOrBad(() => read(changed), `round ${round}`);
    }
  });

  Deno.test(`${name} given another version of the format, then it is refused as malformed`, () => {
    for (const version of [0, WIRE_VERSION + 1, "1", null, true, {}, { toString: 1 }]) {
      assertBadMessage(() => read(encode(replaced(decode(bytes), [0], () => version))));
    }
  });
}

Deno.test("decoders given bytes that are no message, then they are refused as malformed", () => {
  const random = new SeededRandom(4);
  const calls = [ALL_CALLS[0]!];
  const noise = Array.from(
    { length: 500 },
    () => Uint8Array.from({ length: random.below(40) }, () => random.below(256)),
  );
  // A list of four thousand million items, and a map of as many.
  noise.push(Uint8Array.of(0xdd, 255, 255, 255, 255), Uint8Array.of(0xdf, 255, 255, 255, 255));
  for (const bytes of noise) {
    assertBadMessage(() => decodeRequest(bytes));
    assertBadMessage(() => decodeReply(bytes, calls));
    assertBadMessage(() => decodeRing(bytes));
  }
});

for (const op of ["unknown", "", "toString", "__proto__", "constructor"]) {
  Deno.test(`request given the operation "${op}", then it is refused as malformed`, () => {
    const bytes = encode(replaced(decode(encodeRequest(requestOf([ALL_CALLS[0]!]))), [6, 0, 0], () => op));
    assertBadMessage(() => decodeRequest(bytes));
  });
}

Deno.test("request given fields behind the known ones, then they are left out", () => {
  const request = requestOf([{ op: "probe", ask: { address: "a:1" } }]);
  const plain = decode(encodeRequest(request));
  assertEquals(decodeRequest(encode(replaced(plain, [6, 0, 1, 1], () => "later"))), request);
});

function requestOf(calls: readonly Call[]): RequestMessage {
  const from = { address: "a:1", storeId: "s" };
  return { ringId: "ring", from, toStoreId: "t", live: "x>y", calls };
}

/** A ring with everything in it: a change under way, one that was overtaken, a zone, members of every state. */
function changingRing(): RingState {
  const zoned = changeMember(syncedRing(["c", "a", "b", "d", "e"]), "a", { zone: "x", weight: 1.5 });
  const joining = report(admitMember(zoned, store("f")), "b");
  const leaving = changeMember(joining, "c", { state: "leaving" });
  return changeMember(changeMember(leaving, "d", { state: "left" }), "e", { state: "removed" });
}

/** Every place in a message: indices into lists within lists. What is absent is not among them, nor what is in objects. */
function pathsOf(plain: unknown): number[][] {
  if (!Array.isArray(plain)) return [];
  return plain.flatMap((item, i) => [
    ...(item === null ? [] : [[i]]),
    ...pathsOf(item).map((path) => [i, ...path]),
  ]);
}

function replaced(
  plain: unknown,
  [i, ...rest]: readonly number[],
  change: (old: unknown) => unknown,
): unknown {
  if (i === undefined) return change(plain);
  const copy = [...(plain as unknown[])];
  copy[i] = replaced(copy[i], rest, change);
  return copy;
}

/** A value of another type, which no field of the old one's takes. */
function wrongFor(old: unknown): unknown {
  return typeof old === "number" ? "x" : 7.5;
}

function assertBadMessage(read: () => unknown, what?: string): void {
  assertEquals(assertThrows(read, DhtError, undefined, what).code, "bad_message", what);
}

function assertReadOrBad(read: () => unknown, what: string): void {
  try {
    read();
  } catch (error) {
    assert(error instanceof DhtError && error.code === "bad_message", `${what}: ${error}`);
  }
}
