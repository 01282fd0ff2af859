import { assertEquals, assertThrows } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import type { StoredRecord } from "../../lib/core/record.ts";
import { receivedRecord, writeAsk } from "../../lib/node/write_ask.ts";
import { type Ask, decodeRequest, encodeRequest } from "../../lib/wire.ts";

const PLACE = { partition: 7, key: "k" };
const RECORD: StoredRecord = {
  kind: "value",
  version: { wallMs: 5, counter: 0, writer: "w.1" },
  valueBytes: 3,
  contentType: "text/plain",
  sha256: new Uint8Array(32),
  body: { kind: "inline", bytes: Uint8Array.of(1, 2, 3) },
};

/** The same ask as another node gets it. */
function sent(ask: Ask<"write">): { ask: Ask<"write">; message: Uint8Array } {
  const message = encodeRequest({
    ringId: "r",
    from: { address: "a:1", storeId: "s" },
    toStoreId: "t",
    live: "l",
    calls: [{ op: "write", ask }],
  });
  return { ask: decodeRequest(message).calls[0]!.ask as Ask<"write">, message };
}

Deno.test("receivedRecord() given what was sent, then it is the record, and the bytes that were encoded", () => {
  const asked = writeAsk(PLACE, RECORD, "client");
  const { ask, message } = sent(asked);
  const received = receivedRecord(ask);
  message.fill(0);
  assertEquals(received, { record: RECORD, encoded: asked.entry });
  assertEquals([ask.partition, ask.key, ask.mode, ask.record], [7, "k", "client", undefined]);
});

Deno.test("receivedRecord() given an ask of this process, then nothing is decoded or copied", () => {
  const ask = writeAsk(PLACE, RECORD, "merge");
  const received = receivedRecord(ask);
  assertEquals([received.record === RECORD, received.encoded === ask.entry], [true, true]);
});

Deno.test("receivedRecord() given an entry of which any byte of the head is another, then it is refused", () => {
  const { entry } = writeAsk(PLACE, RECORD, "client");
  for (let at = 0; at < entry.length - 11; at++) {
    const damaged = entry.slice();
    damaged[at]! ^= 1;
    const error = assertThrows(
      () => receivedRecord({ ...PLACE, entry: damaged, mode: "client" }),
      DhtError,
    );
    assertEquals(error.code, "bad_message");
  }
});
