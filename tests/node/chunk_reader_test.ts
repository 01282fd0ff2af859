import { assertEquals } from "@std/assert";
import { addressOf, type OwnerId } from "../../lib/core/layout.ts";
import { liveLayouts } from "../../lib/core/membership.ts";
import { CHUNK_BYTES, type ValueRecord } from "../../lib/core/record.ts";
import { CHUNKS_PER_MESSAGE } from "../../lib/node/blob_pulls.ts";
import { ChunkReader, type ChunkReaderDeps } from "../../lib/node/chunk_reader.ts";
import type { QuorumRead } from "../../lib/node/coordinator.ts";
import type { Ask, Operation } from "../../lib/wire.ts";
import { syncedRing } from "../support/rings.ts";

const MESSAGE_BYTES = CHUNKS_PER_MESSAGE * CHUNK_BYTES;

/** Reads a value of five messages and ten bytes of three owners; some answer with a chunk that is a byte too short. */
function reading({ short = "" } = {}) {
  const live = liveLayouts(syncedRing(["a:1", "b:1", "c:1"]));
  const [source, ...others] = [...live.newest.ids].sort() as [OwnerId, ...OwnerId[]];
  const valueBytes = 5 * MESSAGE_BYTES + 10;
  const value = new Uint8Array(valueBytes).map((_, i) => i % 251);
  const record: ValueRecord = {
    kind: "value",
    version: { wallMs: 1, counter: 0, writer: "w.1" },
    valueBytes,
    contentType: "text/plain",
    sha256: new Uint8Array(32),
    body: { kind: "blob", id: "blob" },
  };
  const asked: string[] = [];
  const ask = (owner: OwnerId, _live: unknown, op: Operation, what: unknown) => {
    if (op === "read") return Promise.resolve({ record });
    const { first, count } = what as Ask<"readChunks">;
    const name = addressOf(owner).slice(0, 1);
    asked.push(`${name}${first / CHUNKS_PER_MESSAGE}`);
    const at = (i: number) => i * CHUNK_BYTES - (short.includes(name) && i === first + 1 ? 1 : 0);
    const chunks = Array.from({ length: count }, (_, i) => value.slice(at(first + i), at(first + i + 1)));
    return Promise.resolve({ chunks });
  };
  const deps = {
    coordinator: { underLiveLayouts: (step: () => unknown) => step() },
    keeper: { live },
    peers: { ask },
  } as unknown as ChunkReaderDeps;
  const read: QuorumRead = { record, source, holders: [source, ...others], live };
  return { reader: new ChunkReader(deps, { partition: 0, key: "k" }, record, read), value, asked };
}

const bytesOf = (stream: ReadableStream<Uint8Array>): Promise<Uint8Array> =>
  new Response(stream as BodyInit).bytes();

Deno.test("download given an owner whose chunks have another length, then its bytes are another owner's", async () => {
  const { reader, value, asked } = reading({ short: "a" });
  assertEquals(await bytesOf(reader.stream()), value);
  assertEquals(asked.filter((name) => name.startsWith("b")), ["b0", "b1", "b2", "b3", "b4", "b5"]);
});

for (
  const { start, end } of [
    { start: 1, end: 2 },
    { start: CHUNK_BYTES, end: MESSAGE_BYTES },
    { start: CHUNK_BYTES - 1, end: MESSAGE_BYTES + CHUNK_BYTES + 1 },
    { start: 5 * MESSAGE_BYTES - 1, end: 5 * MESSAGE_BYTES + 10 },
  ]
) {
  Deno.test(`download given the range ${start} to ${end}, then it is just that`, async () => {
    const { reader, value } = reading();
    assertEquals(await bytesOf(reader.stream({ start, end })), value.slice(start, end));
  });
}

Deno.test("download given a client that takes nothing, then two messages are asked for, and no more once it has gone", async () => {
  const { reader, asked } = reading();
  const client = reader.stream().getReader();
  const settle = async () => {
    for (let i = 0; i < 100; i++) await null;
  };
  await settle();
  assertEquals(asked, ["a0", "a1"]);
  for (let i = 0; i < CHUNKS_PER_MESSAGE; i++) await client.read();
  await settle();
  assertEquals(asked, ["a0", "a1", "a2"]);
  await client.cancel();
  await settle();
  assertEquals(asked, ["a0", "a1", "a2"]);
});
