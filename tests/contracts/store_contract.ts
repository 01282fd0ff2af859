import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import {
  type Mutation,
  type Store,
  STORE_LIMITS,
  type StoreEntry,
  type StoreKey,
  storeKeyBytes,
} from "../../lib/ports/store.ts";

/** A fresh, empty store, and what frees all it uses once it is closed. */
export interface StoreUnderTest {
  readonly store: Store;
  free(): Promise<void>;
}

/** Holds an adapter of the Store port to the port's contract. */
export function storeContract(name: string, newStore: () => Promise<StoreUnderTest>): void {
  const given = (behaviour: string, body: (store: Store) => Promise<void>): void => {
    Deno.test(`${name} ${behaviour}`, async () => {
      const { store, free } = await newStore();
      try {
        await body(store);
      } finally {
        await store.close();
        await free();
      }
    });
  };
  orderContract(given);
  rangeContract(given);
  commitContract(given);
  boundsContract(given);
  Deno.test(`${name} given it is closed with a commit under way, then the commit is finished`, async () => {
    const { store, free } = await newStore();
    const committed = store.commit([set(["a"], 1)]);
    await store.close();
    assertEquals(await committed, true);
    await free();
  });
  Deno.test(`${name} given it is closed, when it is used, then it throws`, async () => {
    const { store, free } = await newStore();
    await store.close();
    await assertRejects(() => store.commit([set(["a"], 1)]), Error);
    await assertRejects(() => store.getMany([["a"]]), Error);
    await assertRejects(() => keysOf(store, []), Error);
    await free();
  });
}

type Given = (behaviour: string, body: (store: Store) => Promise<void>) => void;

function orderContract(given: Given): void {
  given("given strings, then they list in the order of their UTF-8 bytes", async (store) => {
    const strings = ["", "\0", "\0\0", "\0a", "a", "a\0", "a\0b", "a\u0001", "aa", "ab", "b", "é", "\ud7ff"];
    strings.push("\ue000", "\uffee", "\uffff", "\u{10000}", "\u{1f600}", "\u{10ffff}");
    await store.commit(shuffled(strings).map((text) => set(["s", text], 1)));
    assertEquals(await keysOf(store, ["s"]), strings.map((text) => ["s", text]));
  });

  given("given numbers, then they list by value, and after strings", async (store) => {
    const parts = [
      "",
      "9",
      "\u{10ffff}",
      0,
      1,
      2,
      10,
      255,
      256,
      16_383,
      16_384,
      2 ** 28 - 1,
      2 ** 28,
      2 ** 32,
    ];
    parts.push(2 ** 42, Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER);
    await store.commit(shuffled(parts).map((part) => set(["n", part], 1)));
    assertEquals(await keysOf(store, ["n"]), parts.map((part) => ["n", part]));
  });

  given("given keys of several parts, then a key comes before those below it", async (store) => {
    const keys: StoreKey[] = [["a"], ["a", ""], ["a", "", "x"], ["a", "b"], ["a", 0], ["a", 0, "b"], [
      "a",
      1,
    ]];
    keys.push(["a\0"], ["a\0", 1], ["ab"], [0], [0, "a"], [0, 0], [1]);
    await store.commit(shuffled(keys).map((key) => set(key, 1)));
    assertEquals(await keysOf(store, []), keys);
  });

  given("given a string with a lone surrogate, then it is kept as U+FFFD", async (store) => {
    await store.commit([set(["a\ud800b"], 1)]);
    assertEquals(await keysOf(store, []), [["a\ufffdb"]]);
    assert((await store.getMany([["a\ufffdb"]]))[0] !== undefined);
  });
}

function rangeContract(given: Given): void {
  given("given a prefix, then it and its neighbours are excluded", async (store) => {
    const keys: StoreKey[] = [["a"], ["p"], ["p", "x"], ["p", 7], ["p", 7, "y"], ["p\0"], ["p\0", "x"], [
      "pp",
    ]];
    await store.commit(keys.map((key) => set(key, 1)));
    assertEquals(await keysOf(store, ["p"]), [["p", "x"], ["p", 7], ["p", 7, "y"]]);
    assertEquals(await keysOf(store, ["p", 7]), [["p", 7, "y"]]);
    assertEquals(await keysOf(store, ["q"]), []);
  });

  const below = (...parts: (string | number)[]): StoreKey[] => parts.map((part) => ["p", part]);
  const rows: [
    string,
    Omit<Parameters<Store["list"]>[0], "prefix">,
    Parameters<Store["list"]>[1],
    StoreKey[],
  ][] = [
    ["no bounds", {}, {}, below("a", "b", "c", 1, 2)],
    ["after a key that is there", { after: ["p", "b"] }, {}, below("c", 1, 2)],
    ["after a key that is not there", { after: ["p", "aa"] }, {}, below("b", "c", 1, 2)],
    ["before a key that is there", { before: ["p", "b"] }, {}, below("a")],
    ["before a key that is not there", { before: ["p", 0] }, {}, below("a", "b", "c")],
    ["both bounds", { after: ["p", "a"], before: ["p", 2] }, {}, below("b", "c", 1)],
    ["after the last", { after: ["p", 2] }, {}, []],
    ["an empty span", { after: ["p", "b"], before: ["p", "b"] }, {}, []],
    ["bounds that cross", { after: ["p", "c"], before: ["p", "a"] }, {}, []],
    ["a limit", {}, { limit: 2 }, below("a", "b")],
    ["a limit of one", { after: ["p", "a"] }, { limit: 1 }, below("b")],
    ["a limit past the end", {}, { limit: 9 }, below("a", "b", "c", 1, 2)],
    ["a limit of nothing", {}, { limit: 0 }, []],
    ["reverse", {}, { reverse: true }, below(2, 1, "c", "b", "a")],
    ["reverse with a limit", {}, { reverse: true, limit: 2 }, below(2, 1)],
    [
      "reverse with both bounds",
      { after: ["p", "a"], before: ["p", 2] },
      { reverse: true },
      below(1, "c", "b"),
    ],
    ["reverse after a key that is there", { after: ["p", "b"] }, { reverse: true }, below(2, 1, "c")],
  ];
  for (const [name, bounds, options, expected] of rows) {
    given(`given a range with ${name}, then lists just that`, async (store) => {
      await store.commit([["o", "z"], ["p"], ...below("a", "b", "c", 1, 2), ["q"]].map((key) => set(key, 1)));
      assertEquals(await keysOf(store, ["p"], bounds, options), expected);
    });
  }

  given("given a bound with another prefix, then throws TypeError", async (store) => {
    await assertRejects(() => keysOf(store, ["p"], { after: ["o", "b"] }), TypeError);
    await assertRejects(() => keysOf(store, ["p"], { before: ["q"] }), TypeError);
  });

  given("given more entries than a page, then lists each once, both ways", async (store) => {
    const keys = Array.from({ length: 2_345 }, (_, i): StoreKey => ["many", i]);
    for (let i = 0; i < keys.length; i += 1_000) {
      await store.commit(keys.slice(i, i + 1_000).map((key) => set(key, 1)));
    }
    assertEquals(await keysOf(store, ["many"]), keys);
    assertEquals(await keysOf(store, ["many"], {}, { reverse: true }), keys.toReversed());
    assertEquals((await keysOf(store, ["many"], {}, { limit: 1_500 })).length, 1_500);
  });

  given("given a reader that stops early, then nothing is left open", async (store) => {
    await store.commit([set(["a", 1], 1), set(["a", 2], 2)]);
    for await (const entry of store.list({ prefix: ["a"] })) {
      assertEquals(entry.key, ["a", 1]);
      break;
    }
  });

  given("given entries of 60 KiB, then lists their bytes", async (store) => {
    const value = (i: number) => new Uint8Array(60 * 1024).fill(i);
    for (let part = 0; part < 3; part++) {
      await store.commit(Array.from({ length: 12 }, (_, i) => {
        const at = part * 12 + i;
        return { kind: "set", key: ["chunk", "id", at], value: value(at) };
      }));
    }
    const entries = await entriesOf(store, ["chunk", "id"]);
    assertEquals(entries.map((entry) => entry.value), Array.from({ length: 36 }, (_, i) => value(i)));
  });
}

function commitContract(given: Given): void {
  given("given a commit, then its entries are read back in the order asked", async (store) => {
    await store.commit([set(["a"], 1), set(["b", 2], 2)]);
    const [b, none, a] = await store.getMany([["b", 2], ["c"], ["a"]]);
    assertEquals(b?.value, Uint8Array.of(2));
    assertEquals(b?.key, ["b", 2]);
    assertEquals(none, undefined);
    assertEquals(a?.value, Uint8Array.of(1));
  });

  given("given 35 keys and an empty list of them, then getMany() answers each", async (store) => {
    const keys = Array.from({ length: 35 }, (_, i): StoreKey => ["k", i]);
    await store.commit(keys.filter((_, i) => i % 3 !== 0).map((key, i) => set(key, i)));
    const found = await store.getMany(keys);
    assertEquals(found.map((entry) => entry?.key), keys.map((key, i) => i % 3 === 0 ? undefined : key));
    assertEquals(await store.getMany([]), []);
  });

  given("given one key several times in a commit, then the last change counts", async (store) => {
    await store.commit([set(["a"], 1), remove(["a"]), set(["a"], 2), set(["b"], 1), remove(["b"])]);
    const [a, b] = await store.getMany([["a"], ["b"]]);
    assertEquals(a?.value, Uint8Array.of(2));
    assertEquals(b, undefined);
  });

  given("given a deletion of what is not there, then it is no error", async (store) => {
    assertEquals(await store.commit([remove(["a"])]), true);
    assertEquals(await store.commit([]), true);
  });

  given("given a deletion, then neither getMany() nor list() finds the entry", async (store) => {
    await store.commit([set(["a", 1], 1), set(["a", 2], 1)]);
    await store.commit([remove(["a", 1])]);
    assertEquals((await store.getMany([["a", 1]]))[0], undefined);
    assertEquals(await keysOf(store, ["a"]), [["a", 2]]);
  });

  given("given checks that hold, then commits", async (store) => {
    await store.commit([set(["a"], 1)]);
    const stamp = (await store.getMany([["a"]]))[0]?.versionstamp;
    const checks = [{ key: ["a"], versionstamp: stamp }, { key: ["none"], versionstamp: undefined }];
    assertEquals(await store.commit([set(["a"], 2)], checks), true);
    assertEquals((await store.getMany([["a"]]))[0]?.value, Uint8Array.of(2));
  });

  given("given one check that fails, then nothing is changed", async (store) => {
    await store.commit([set(["a"], 1)]);
    const stamp = (await store.getMany([["a"]]))[0]?.versionstamp;
    await store.commit([set(["a"], 2)]);
    const changes = [set(["a"], 3), set(["b"], 3)];
    assertEquals(await store.commit(changes, [{ key: ["a"], versionstamp: stamp }]), false);
    assertEquals(await store.commit(changes, [{ key: ["a"], versionstamp: undefined }]), false);
    const [a, b] = await store.getMany([["a"], ["b"]]);
    assertEquals(a?.value, Uint8Array.of(2));
    assertEquals(b, undefined);
  });

  given("given the same value set again, then the versionstamp differs", async (store) => {
    const stamp = async () => (await store.getMany([["a"]]))[0]?.versionstamp;
    await store.commit([set(["a"], 1), set(["b"], 1)]);
    const first = await stamp();
    await store.commit([set(["b"], 1)]);
    assertEquals(await stamp(), first);
    await store.commit([set(["a"], 1)]);
    assertNotEquals(await stamp(), first);
  });

  given("given writers that each raise a counter under a check, then no raise is lost", async (store) => {
    await store.commit([set(["count"], 0)]);
    const raise = async (): Promise<void> => {
      for (;;) {
        const [entry] = await store.getMany([["count"]]);
        const next = set(["count"], (entry?.value[0] ?? 0) + 1);
        if (await store.commit([next], [{ key: ["count"], versionstamp: entry?.versionstamp }])) return;
      }
    };
    await Promise.all(Array.from({ length: 20 }, raise));
    assertEquals((await store.getMany([["count"]]))[0]?.value, Uint8Array.of(20));
  });

  given("given concurrent commits of the same two keys, then the two always agree", async (store) => {
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => store.commit([set(["left"], i), set(["right"], i)])),
    );
    const [left, right] = await store.getMany([["left"], ["right"]]);
    assertEquals(left?.value, right?.value);
    assertEquals(left?.versionstamp, right?.versionstamp);
  });

  given("given a value that was handed out, when it is changed, then the store's is not", async (store) => {
    await store.commit([set(["a", 1], 1)]);
    (await store.getMany([["a", 1]]))[0]?.value.fill(9);
    (await entriesOf(store, ["a"]))[0]?.value.fill(9);
    assertEquals((await store.getMany([["a", 1]]))[0]?.value, Uint8Array.of(1));
  });

  given("given part of a buffer as value, then just that part is stored", async (store) => {
    await store.commit([{ kind: "set", key: ["a"], value: Uint8Array.of(0, 1, 2, 3).subarray(1, 3) }]);
    assertEquals((await store.getMany([["a"]]))[0]?.value, Uint8Array.of(1, 2));
  });
}

function boundsContract(given: Given): void {
  given("given the longest value and the empty one, then both are kept", async (store) => {
    const longest = Uint8Array.from({ length: STORE_LIMITS.valueBytes }, (_, i) => i % 251);
    await store.commit([
      { kind: "set", key: ["long"], value: longest },
      { kind: "set", key: ["empty"], value: new Uint8Array() },
    ]);
    const [long, empty] = await store.getMany([["long"], ["empty"]]);
    assertEquals(long?.value, longest);
    assertEquals(empty?.value, new Uint8Array());
  });

  const longKeys: [string, string][] = [
    ["ASCII", "k".repeat(1_024)],
    ["two-byte letters", "é".repeat(512)],
    ["code points above U+FFFF", "\u{1f600}".repeat(256)],
  ];
  for (const [what, text] of longKeys) {
    given(`given a key of 1,024 bytes of ${what}, then it is stored and listed`, async (store) => {
      assertEquals(new TextEncoder().encode(text).length, 1_024);
      await store.commit([set(["record", 16_383, text], 1)]);
      assertEquals(await keysOf(store, ["record", 16_383]), [["record", 16_383, text]]);
      assertEquals((await store.getMany([["record", 16_383, text]])).length, 1);
    });
  }

  given("given a commit of as many and as large changes as allowed, then it is stored", async (store) => {
    const { mutations, commitKeyBytes, commitBytes } = STORE_LIMITS;
    const text = (i: number) => String(i).padStart(commitKeyBytes / mutations - 2, "k");
    const value = new Uint8Array(Math.floor((commitBytes - commitKeyBytes) / mutations));
    const full = times(mutations, (i): Mutation => ({ kind: "set", key: [text(i)], value }));
    assertEquals(await store.commit(full), true);
    assertEquals((await keysOf(store, [])).length, mutations);
  });

  given("given a commit of 12 chunks and as many checks as allowed, then it is stored", async (store) => {
    const chunks = times(12, (i): Mutation => {
      return { kind: "set", key: ["chunk", i], value: new Uint8Array(60 * 1024).fill(i) };
    });
    const checks = times(STORE_LIMITS.checks, (i) => ({ key: [i], versionstamp: undefined }));
    assertEquals(await store.commit(chunks, checks), true);
    assertEquals((await keysOf(store, ["chunk"])).length, 12);
  });

  given("given a key of the most bytes, then it is stored", async (store) => {
    const key = ["k".repeat(STORE_LIMITS.keyBytes - 2)];
    await store.commit([set(key, 1)]);
    assertEquals(await keysOf(store, []), [key]);
  });

  const sized = (bytes: number): Mutation => ({ kind: "set", key: ["a"], value: new Uint8Array(bytes) });
  const longKey = (i: number) => set([String(i).padStart(1_000, "k")], 1);
  const tooMuch: [string, Mutation[], number][] = [
    ["a value", [set(["b"], 1), sized(STORE_LIMITS.valueBytes + 1)], 0],
    ["the number of changes", times(STORE_LIMITS.mutations + 1, (i) => set(["n", i], 1)), 0],
    ["the bytes of all", times(12, () => sized(65_000)), 0],
    ["the bytes of all keys", times(80, longKey), 0],
    ["a key", [set(["k".repeat(STORE_LIMITS.keyBytes - 1)], 1)], 0],
    ["the parts of a key", [set([1, 2, 3, 4, 5, 6, 7, 8, 9], 1)], 0],
    ["the number of checks", [set(["b"], 1)], STORE_LIMITS.checks + 1],
  ];
  for (const [what, mutations, checks] of tooMuch) {
    given(
      `given a commit past the bound of ${what}, then throws RangeError and stores nothing`,
      async (store) => {
        const conditions = times(checks, (i) => ({ key: ["c", i], versionstamp: undefined }));
        await assertRejects(() => store.commit(mutations, conditions), RangeError);
        assertEquals(await keysOf(store, []), []);
      },
    );
  }

  const malformed: [string, StoreKey][] = [["no parts", []], ["a fraction", [0.5]], ["a negative number", [
    -1,
  ]]];
  for (const [what, key] of malformed) {
    given(`given a key with ${what}, then throws TypeError`, async (store) => {
      await assertRejects(() => store.commit([set(key, 1)]), TypeError);
    });
  }
}

Deno.test("storeKeyBytes() given keys, then counts at least their UTF-8 bytes", () => {
  const encoder = new TextEncoder();
  for (const text of ["", "a", "é", "\u0800", "\u{1f600}", "a\ud800", "\udc00\ud800", "x\u{10ffff}y"]) {
    assertEquals(storeKeyBytes([text]), encoder.encode(text).length + 2, JSON.stringify(text));
  }
  assertEquals(storeKeyBytes(["a\0", 1, 2]), 3 + 2 + 9 + 9);
});

function set(key: StoreKey, byte: number): Mutation {
  return { kind: "set", key, value: Uint8Array.of(byte) };
}

function remove(key: StoreKey): Mutation {
  return { kind: "delete", key };
}

function times<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

/** The same items in another order, always the same one. */
function shuffled<T>(items: readonly T[]): T[] {
  const others = items.map((item, i) => ({ item, at: (i * 7_919 + 13) % 101 }));
  return others.sort((a, b) => a.at - b.at).map(({ item }) => item);
}

async function entriesOf(
  store: Store,
  prefix: StoreKey,
  bounds: Omit<Parameters<Store["list"]>[0], "prefix"> = {},
  options?: Parameters<Store["list"]>[1],
): Promise<StoreEntry[]> {
  return await Array.fromAsync(store.list({ prefix, ...bounds }, options));
}

async function keysOf(...args: Parameters<typeof entriesOf>): Promise<StoreKey[]> {
  return (await entriesOf(...args)).map((entry) => entry.key);
}
