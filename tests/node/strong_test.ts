import { assertEquals, assertRejects } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import type { Version } from "../../lib/core/hlc.ts";
import { addressOf, type LiveLayouts, type OwnerId } from "../../lib/core/layout.ts";
import { admitMember, liveLayouts } from "../../lib/core/membership.ts";
import type { Peers } from "../../lib/node/peers.ts";
import type { Stamper } from "../../lib/node/stamper.ts";
import { type StrongWriteDeps, writeStrongly } from "../../lib/node/strong.ts";
import { writeRound, type WriteRoundOptions } from "../../lib/node/write_round.ts";
import type { Answer, Ask } from "../../lib/wire.ts";
import { store, syncedRing } from "../support/rings.ts";

const RING = syncedRing(["a:1", "b:1", "c:1"]);
const LIVE = liveLayouts(RING);
const OWN = version(50);
const STORED = { kind: "stored", held: undefined, hadValue: false } as const;
const STALE = { kind: "stale", held: version(60), hadValue: true } as const;
const COLLECTED = { kind: "collected", held: version(60), hadValue: false } as const;
const AHEAD = { kind: "ahead", held: undefined, hadValue: false } as const;
const MISMATCH = new DhtError("layout_mismatch", "Cannot answer: lives by other layouts");
const DOWN = new DhtError("peer_unreachable", "Cannot reach it");

type Reply<Op extends "write" | "survey"> = Answer<Op> | DhtError;

function version(wallMs: number): Version {
  return { wallMs, counter: 0, writer: "w.1" };
}

function surveyed(held: number | undefined, floor?: number): Answer<"survey"> {
  return {
    held: held === undefined ? undefined : version(held),
    hasValue: held !== undefined,
    floor: floor === undefined ? undefined : version(floor),
    nowMs: 1_000,
  };
}

/** Owners that answer each write with the next of their replies, the last of them for ever. */
class FakePeers {
  readonly writes: { readonly address: string; readonly ask: Ask<"write"> }[] = [];
  readonly missed: string[] = [];
  readonly hints = {
    missed: (_place: unknown, owners: { missed: readonly OwnerId[] }): void => {
      this.missed.push(...owners.missed.map(addressOf));
    },
  };
  readonly peers: Pick<Peers, "ask" | "tell"> = {
    tell: (owner, live, op, ask, settle) => {
      this.peers.ask(owner, live, op, ask).then(
        (answer) => settle({ ok: true, answer }),
        (error) => settle({ ok: false, error }),
      );
    },
    ask:
      ((owner: OwnerId, _live: unknown, op: string, ask: Ask<"write">) =>
        op === "survey" ? this.#reply(this.surveys, owner) : this.#write(addressOf(owner), ask)) as Peers[
          "ask"
        ],
  };

  constructor(
    readonly replies: Record<string, Reply<"write">[]>,
    readonly surveys: Record<string, Reply<"survey">[]> = {},
  ) {}

  async #write(address: string, ask: Ask<"write">): Promise<Answer<"write">> {
    this.writes.push({ address, ask });
    if (ask.mode === "merge") return STORED;
    return await this.#reply(this.replies, `${address}/`);
  }

  #reply<T>(replies: Record<string, (T | DhtError)[]>, owner: string): Promise<T> {
    const list = replies[addressOf(owner)] ?? [];
    const reply = list.length > 1 ? list.shift()! : list[0];
    if (reply === undefined) return new Promise(() => {});
    return reply instanceof DhtError ? Promise.reject(reply) : Promise.resolve(reply);
  }
}

function roundOf(options: Partial<WriteRoundOptions> = {}): WriteRoundOptions {
  const live = options.live ?? LIVE;
  return {
    live,
    needs: [{ owners: live.newest.owners(0), required: 2 }],
    place: { partition: 0, key: "k" },
    record: { kind: "tombstone", version: OWN, expired: false },
    mode: "client",
    greater: "refused",
    ...options,
  };
}

const ROUNDS: Record<
  string,
  { replies: Reply<"write">[]; strong?: true; end: string; above?: Version | undefined }
> = {
  "two of three have stored it": { replies: [STORED, STORED, DOWN], end: "written" },
  "two hold something greater": { replies: [STALE, STORED, STALE], end: "stale", above: version(60) },
  "two hold something greater and it is strong": {
    replies: [STALE, STORED, STALE],
    strong: true,
    end: "written",
  },
  "two have floors above it and it is strong": {
    replies: [COLLECTED, STORED, COLLECTED],
    strong: true,
    end: "failed",
  },
  "two have floors above it": { replies: [COLLECTED, STORED, COLLECTED], end: "stale", above: version(60) },
  "no clock is that far": { replies: [AHEAD, AHEAD, AHEAD], end: "ahead", above: undefined },
  "one clock is that far": { replies: [STORED, AHEAD, AHEAD], end: "ahead", above: OWN },
  "no clock is that far, and one does not answer": {
    replies: [AHEAD, AHEAD, DOWN],
    end: "ahead",
    above: OWN,
  },
  "one holds something greater, and no clock is that far": {
    replies: [AHEAD, STALE, AHEAD],
    end: "ahead",
    above: version(60),
  },
  "one lives by other layouts, and one is down": { replies: [STORED, MISMATCH, DOWN], end: "mismatch" },
};
for (const [name, { replies, strong, end, above }] of Object.entries(ROUNDS)) {
  Deno.test(`writeRound() given ${name}, then it ends as ${end}`, async () => {
    const [a, b, c] = replies;
    const fake = new FakePeers({ "a:1": [a!], "b:1": [b!], "c:1": [c!] });
    const found = await writeRound(fake, roundOf({ greater: strong ? "acknowledged" : "refused" }));
    assertEquals([found.kind, "above" in found ? found.above : undefined], [end, above]);
  });
}

Deno.test("writeRound() given two clocks are far behind and nobody is yet to answer, then the stamp may be on the third", async () => {
  const fake = new FakePeers({ "a:1": [AHEAD], "b:1": [AHEAD] });
  const end = await writeRound(fake, roundOf());
  assertEquals([end.kind, "above" in end && end.above], ["ahead", OWN]);
});

Deno.test("writeRound() given an owner whose clock is far behind, when the others have it, then it is given it as a repair", async () => {
  const fake = new FakePeers({ "a:1": [STORED], "b:1": [AHEAD], "c:1": [STORED] });
  await writeRound(fake, roundOf());
  await new Promise((resolve) => setTimeout(resolve, 0));
  const given = fake.writes.filter(({ ask }) => ask.mode === "merge").map(({ address }) => address);
  assertEquals([given, fake.missed], [["b:1"], []]);
});

Deno.test("writeRound() given a strong write, when owners that still pull their share hold something greater, then they acknowledge nothing", async () => {
  const live = growing();
  const [base, newest] = [live.base.owners(0), live.newest.owners(0)];
  const needs = [{ owners: newest, required: 2 }, { owners: base, required: 2 }];
  const isNew = (owner: OwnerId) => !base.includes(owner);
  const replies = Object.fromEntries(
    [...base, ...newest].map((owner) => [addressOf(owner), [isNew(owner) ? STALE : STORED]]),
  );
  const end = await writeRound(new FakePeers(replies), roundOf({ live, needs, greater: "acknowledged" }));
  assertEquals([newest.filter(isNew).length >= 2, end.kind], [true, "unsettled"]);
});

Deno.test("strong write given a majority holds versions and floors, then it is stamped above the greatest of them", async () => {
  const stamped: (Version | undefined)[] = [];
  const fake = new FakePeers({ "a:1": [STORED], "b:1": [STORED], "c:1": [STORED] }, {
    "a:1": [surveyed(10)],
    "b:1": [surveyed(30, 40)],
  });
  const { existed } = await strongly(fake, stamped);
  assertEquals([stamped, existed], [[version(40)], true]);
});

Deno.test("strong write given too few owners answer the first phase, then nothing is written and it says so", async () => {
  const fake = new FakePeers({}, { "a:1": [surveyed(1)], "b:1": [DOWN], "c:1": [DOWN] });
  const error = await assertRejects(() => strongly(fake), DhtError, "nothing was written");
  assertEquals([error.code, fake.writes], ["read_quorum_unreachable", []]);
});

Deno.test("strong write given the layouts change after it was stamped, then the same version is sent again", async () => {
  const fake = new FakePeers({ "a:1": [STORED], "b:1": [MISMATCH, STORED], "c:1": [MISMATCH, STORED] }, {
    "a:1": [surveyed(1)],
    "b:1": [surveyed(1)],
  });
  const stamped: (Version | undefined)[] = [];
  await strongly(fake, stamped);
  assertEquals([stamped.length, fake.writes.length], [1, 6]);
  assertEquals(new Set(fake.writes.map(({ ask }) => ask.record?.version.wallMs)).size, 1);
});

Deno.test("strong write given floors have risen above it after it was stamped, then its outcome is unknown and it is not stamped again", async () => {
  const surveys = { "a:1": [surveyed(1)], "b:1": [surveyed(1)] };
  const fake = new FakePeers({ "a:1": [STORED], "b:1": [COLLECTED], "c:1": [COLLECTED] }, surveys);
  const error = await assertRejects(() => strongly(fake), DhtError);
  assertEquals([error.code, fake.writes.length], ["write_outcome_unknown", 3]);
});

/** A strong write whose stamps are one above what they must exceed. */
function strongly(fake: FakePeers, stamped: (Version | undefined)[] = []) {
  const stamper = {
    isBlind: false,
    issue: (above: Version | undefined) => {
      stamped.push(above);
      return { version: version((above?.wallMs ?? 0) + 1), mode: "admitted" };
    },
  } as Pick<Stamper, "isBlind" | "issue"> as Stamper;
  const deps: StrongWriteDeps = {
    ...fake,
    keeper: { live: LIVE },
    stamper,
    clock: { nowMs: () => 0, monotonicMs: () => 0, sleep: () => Promise.resolve() },
    underLiveLayouts: (work) => work(),
  };
  const limits = { deadlineMs: 1_000, client: undefined };
  const make = (own: Version) => ({ kind: "tombstone", version: own, expired: false }) as const;
  return writeStrongly(deps, { partition: 0, key: "k" }, make, limits);
}

/** A ring of three to which three more have come, one of whose partitions has two new owners at least. */
function growing(): LiveLayouts {
  for (let i = 0; i < 50; i++) {
    const grown = ["d", "e", "f"].reduce((ring, name) => admitMember(ring, store(`${name}${i}:1`)), RING);
    const live = liveLayouts(grown);
    const base = live.base.owners(0);
    if (live.newest.owners(0).filter((owner) => !base.includes(owner)).length >= 2) return live;
  }
  throw new Error("no such ring");
}
