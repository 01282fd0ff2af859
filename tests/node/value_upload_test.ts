import { assertEquals, assertRejects } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { addressOf, type OwnerId } from "../../lib/core/layout.ts";
import { liveLayouts } from "../../lib/core/membership.ts";
import { CHUNK_BYTES } from "../../lib/core/record.ts";
import { CHUNKS_PER_MESSAGE } from "../../lib/node/blob_pulls.ts";
import { ByteReader } from "../../lib/node/byte_reader.ts";
import { ValueUpload, type ValueUploadDeps } from "../../lib/node/value_upload.ts";
import type { Answer, Ask, Operation } from "../../lib/wire.ts";
import { syncedRing } from "../support/rings.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const MESSAGE_BYTES = CHUNKS_PER_MESSAGE * CHUNK_BYTES;
const MESSAGES = 8;

/** Sends a value of eight messages to three owners, of which the late one answers chunks when it is told to. */
function sending(options: { readonly window: number; readonly late?: string; readonly refuses?: string }) {
  const waiting: (() => void)[] = [];
  const stored = new Map<string, number[]>();
  const ask = async (
    owner: OwnerId,
    _live: unknown,
    op: Operation,
    asked: unknown,
  ): Promise<Answer<Operation>> => {
    const name = addressOf(owner).slice(0, 1);
    if (op !== "writeChunks") return {};
    const { first } = asked as Ask<"writeChunks">;
    if (options.refuses?.includes(name)) throw new DhtError("disk_full", `${name} is full`);
    if (name === options.late) await new Promise<void>((resolve) => waiting.push(resolve));
    stored.set(name, [...stored.get(name) ?? [], first]);
    return {};
  };
  const deps = { peers: { ask }, random: new SeededRandom(1) } as unknown as ValueUploadDeps;
  const live = liveLayouts(syncedRing(["a:1", "b:1", "c:1"]));
  const upload = new ValueUpload(deps, { partition: 0, key: "k" }, {
    live,
    signal: undefined,
    window: () => options.window,
  });
  const pieces = Array.from({ length: MESSAGES }, () => new Uint8Array(MESSAGE_BYTES));
  const sent = upload.sendAll(new Uint8Array(), new ByteReader(ReadableStream.from(pieces)));
  sent.catch(() => {});
  return { sent, waiting, stored };
}

/** Lets everything happen that waits for nothing. */
async function settle(): Promise<void> {
  for (let i = 0; i < 200; i++) await null;
}

for (const window of [1, 4]) {
  Deno.test(`upload given an owner that answers late, then ${window} messages are on their way to it at most`, async () => {
    const { sent, waiting, stored } = sending({ window, late: "a" });
    let most = 0;
    for (let answered = 0; answered < MESSAGES; answered++) {
      await settle();
      most = Math.max(most, waiting.length);
      waiting.shift()!();
    }
    assertEquals((await sent).valueBytes, MESSAGES * MESSAGE_BYTES);
    assertEquals(most, window);
    const all = Array.from({ length: MESSAGES }, (_, i) => i * CHUNKS_PER_MESSAGE);
    assertEquals([...stored.values()], [all, all, all]);
  });
}

Deno.test("upload given several messages fail at two of three owners, then it fails once, and names each owner's reason once", async () => {
  const { sent } = sending({ window: 4, refuses: "bc" });
  const error = await assertRejects(() => sent, DhtError);
  assertEquals(error.code, "disk_full");
  assertEquals(error.facts["reasons"], ["b is full", "c is full"]);
});
