import { assertEquals, assertRejects } from "@std/assert";
import { CHUNK_BYTES } from "../../lib/core/record.ts";
import {
  assertFails,
  assertReadable,
  blob,
  keysOnDisk,
  type Opened,
  openStorage,
  place,
  read,
  storeBlob,
  tombstone,
  upload,
  value,
  version,
  wallMsOf,
  write,
} from "./storage_fixture.ts";

const THREE_CHUNKS = 2 * CHUNK_BYTES + 5;

/** Lets everything that nobody reads become due, and frees it. */
async function collectAll({ storage, clock }: Opened): Promise<void> {
  clock.advance(11 * 60_000);
  await storage.collectGarbage();
}

Deno.test("storage given a blob was uploaded, then its record and chunks are read, and after a restart", async () => {
  const { storage, disk } = await openStorage();
  const { record, chunks } = blob(1, "x", THREE_CHUNKS);
  await upload(storage, "x", chunks);
  assertEquals((await write(storage, "a", record)).kind, "stored");
  assertEquals(await read(storage, "a"), record);
  assertEquals(await storage.blobs.readChunks("x", 0, 3), chunks);
  const restarted = await openStorage({ disk });
  assertEquals(await restarted.storage.blobs.readChunks("x", 1, 2), chunks.slice(1));
  assertEquals(await keysOnDisk(disk, ["upload"]), []);
});

const INCOMPLETE: Record<string, (opened: Opened) => Promise<void>> = {
  "never opened": async () => {},
  "lacks a chunk in the middle": async ({ storage }) => {
    const { chunks } = blob(1, "x", THREE_CHUNKS);
    await storage.blobs.openUpload("x");
    await storage.blobs.writeChunks("x", 0, chunks.slice(0, 1));
    await storage.blobs.writeChunks("x", 2, chunks.slice(2));
  },
  "lacks the last chunk": async ({ storage }) => {
    await upload(storage, "x", blob(1, "x", 2 * CHUNK_BYTES).chunks);
  },
  "has a chunk too many": async ({ storage }) => {
    await upload(storage, "x", blob(1, "x", 4 * CHUNK_BYTES).chunks);
  },
  "has a last chunk that is too short": async ({ storage }) => {
    await upload(storage, "x", blob(1, "x", THREE_CHUNKS - 1).chunks);
  },
  "has a last chunk that is too long": async ({ storage }) => {
    await upload(storage, "x", blob(1, "x", 3 * CHUNK_BYTES).chunks);
  },
  "was aborted": async ({ storage }) => {
    await upload(storage, "x", blob(1, "x", THREE_CHUNKS).chunks);
    await storage.blobs.abortUpload("x");
  },
  "was idle for ten minutes": async (opened) => {
    await upload(opened.storage, "x", blob(1, "x", THREE_CHUNKS).chunks);
    await collectAll(opened);
  },
  "was taken over by a record of another key": async ({ storage }) => {
    await storeBlob(storage, "other", 1, "x", THREE_CHUNKS);
  },
};

for (const [name, prepare] of Object.entries(INCOMPLETE)) {
  Deno.test(`storage given an upload that ${name}, when a record names it, then it is refused`, async () => {
    const opened = await openStorage();
    await prepare(opened);
    await assertFails(
      "upload_incomplete",
      () => write(opened.storage, "a", blob(1, "x", THREE_CHUNKS).record),
    );
    assertEquals(await read(opened.storage, "a"), undefined);
  });
}

Deno.test("storage given chunks come twice and out of order, across a restart, then the upload is whole", async () => {
  const { storage, disk } = await openStorage();
  const { record, chunks } = blob(1, "x", 5 * CHUNK_BYTES + 1);
  await storage.blobs.openUpload("x");
  await storage.blobs.openUpload("x");
  await storage.blobs.writeChunks("x", 4, chunks.slice(4));
  await storage.blobs.writeChunks("x", 1, chunks.slice(1, 3));
  const restarted = await openStorage({ disk });
  await restarted.storage.blobs.writeChunks("x", 0, chunks.slice(0, 4));
  await restarted.storage.blobs.writeChunks("x", 4, chunks.slice(4));
  assertEquals((await write(restarted.storage, "a", record)).kind, "stored");
  await assertReadable(restarted.storage, record);
});

Deno.test("storage given chunks of an upload that is not open, then they are refused", async () => {
  const { storage } = await openStorage();
  await assertFails("upload_incomplete", () => storage.blobs.writeChunks("x", 0, [Uint8Array.of(1)]));
});

const MALFORMED: Record<string, (opened: Opened) => Promise<unknown>> = {
  "no chunk": ({ storage }) => storage.blobs.writeChunks("x", 0, []),
  "an empty chunk": ({ storage }) => storage.blobs.writeChunks("x", 0, [new Uint8Array()]),
  "a chunk that is too long": ({ storage }) =>
    storage.blobs.writeChunks("x", 0, [new Uint8Array(CHUNK_BYTES + 1)]),
  "thirteen chunks": ({ storage }) => storage.blobs.writeChunks("x", 0, Array(13).fill(Uint8Array.of(1))),
  "a negative index": ({ storage }) => storage.blobs.writeChunks("x", -1, [Uint8Array.of(1)]),
  "an id with a slash": ({ storage }) => storage.blobs.openUpload("a/b"),
  "an id of 65 letters": ({ storage }) => storage.blobs.openUpload("a".repeat(65)),
  "a read of thirteen chunks": ({ storage }) => storage.blobs.readChunks("x", 0, 13),
};

for (const [name, call] of Object.entries(MALFORMED)) {
  Deno.test(`storage given ${name}, then it throws RangeError`, async () => {
    const opened = await openStorage();
    await opened.storage.blobs.openUpload("x");
    await assertRejects(() => call(opened), RangeError);
  });
}

Deno.test("storage given two short chunks in an upload, then the second is refused", async () => {
  const { storage } = await openStorage();
  await storage.blobs.openUpload("x");
  await storage.blobs.writeChunks("x", 1, [Uint8Array.of(1)]);
  await assertFails("bad_message", () => storage.blobs.writeChunks("x", 3, [Uint8Array.of(1)]));
  await assertFails(
    "bad_message",
    () => storage.blobs.writeChunks("x", 3, [Uint8Array.of(1), new Uint8Array(CHUNK_BYTES)]),
  );
});

Deno.test("storage given 256 uploads are open, then another is refused until one ends", async () => {
  const { storage } = await openStorage();
  await Promise.all(Array.from({ length: 256 }, (_, i) => storage.blobs.openUpload(`x${i}`)));
  await assertFails("overloaded", () => storage.blobs.openUpload("more"));
  await storage.blobs.abortUpload("x7");
  await storage.blobs.openUpload("more");
});

Deno.test("storage given a blob is superseded, then its chunks are freed once unread for a minute", async () => {
  const { storage, clock, disk } = await openStorage();
  await storeBlob(storage, "a", 1, "x", THREE_CHUNKS);
  await write(storage, "a", value(2));
  clock.advance(59_999);
  await storage.collectGarbage();
  await storage.blobs.readChunks("x", 0, 3);
  clock.advance(59_999);
  await storage.collectGarbage();
  assertEquals((await keysOnDisk(disk, ["chunk"])).length, 3);
  clock.advance(1);
  await storage.collectGarbage();
  assertEquals(await keysOnDisk(disk, ["chunk"]), []);
  assertEquals(await keysOnDisk(disk, ["garbage"]), []);
  await assertFails("corrupt_value", () => storage.blobs.readChunks("x", 0, 1));
});

const ENDS_OF_A_BLOB: Record<string, (opened: Opened) => Promise<unknown>> = {
  "superseded by a blob": ({ storage }) => storeBlob(storage, "a", 2, "y", CHUNK_BYTES),
  "superseded by a deletion": ({ storage }) => write(storage, "a", tombstone(2)),
  "ended by its expiry": ({ storage }) => write(storage, "a", tombstone(1, true), "merge"),
  "dropped": ({ storage }) => storage.drop(place("a").partition, "a", version(1)),
  "superseded after it was applied": async ({ storage }) => {
    await storage.flush();
    await write(storage, "a", value(2), "merge");
  },
  "superseded in the commit that stored it": async ({ storage }) => {
    await upload(storage, "z", blob(2, "z", THREE_CHUNKS).chunks);
    await Promise.all([
      write(storage, "a", blob(2, "z", THREE_CHUNKS).record),
      write(storage, "a", value(3)),
    ]);
  },
};

for (const [name, end] of Object.entries(ENDS_OF_A_BLOB)) {
  Deno.test(`storage given a blob is ${name}, then only chunks that a record names are kept`, async () => {
    const opened = await openStorage();
    await storeBlob(opened.storage, "a", 1, "x", THREE_CHUNKS);
    await storeBlob(opened.storage, "kept", 1, "k", THREE_CHUNKS);
    await end(opened);
    await collectAll(opened);
    const ids = new Set((await keysOnDisk(opened.disk, ["chunk"])).map(([, id]) => id));
    const now = await read(opened.storage, "a");
    const expected = now?.kind === "value" && now.body.kind === "blob" ? ["k", now.body.id] : ["k"];
    assertEquals([...ids], expected);
    await assertReadable(opened.storage, (await read(opened.storage, "kept"))!);
  });
}

Deno.test("storage given a superseded blob after a restart, then its chunks are still freed", async () => {
  const { storage, disk } = await openStorage();
  await storeBlob(storage, "a", 1, "x", THREE_CHUNKS);
  await write(storage, "a", value(2));
  const restarted = await openStorage({ disk });
  await collectAll(restarted);
  assertEquals(await keysOnDisk(disk, ["chunk"]), []);
});

Deno.test("storage given an abandoned upload after a restart, then it is closed and freed", async () => {
  const { storage, disk } = await openStorage();
  await upload(storage, "x", blob(1, "x", THREE_CHUNKS).chunks);
  const restarted = await openStorage({ disk });
  restarted.clock.advance(599_999);
  await restarted.storage.collectGarbage();
  assertEquals((await keysOnDisk(disk, ["upload"])).length, 1);
  restarted.clock.advance(1);
  await restarted.storage.collectGarbage();
  assertEquals([...await keysOnDisk(disk, ["upload"]), ...await keysOnDisk(disk, ["chunk"])], []);
});

Deno.test("storage given a stale blob, then its upload stays open for the write to be stamped again", async () => {
  const { storage } = await openStorage();
  await write(storage, "a", value(5));
  const { record, chunks } = blob(4, "x", THREE_CHUNKS);
  await upload(storage, "x", chunks);
  assertEquals((await write(storage, "a", record)).kind, "stale");
  assertEquals((await write(storage, "a", blob(6, "x", THREE_CHUNKS).record)).kind, "stored");
});

Deno.test("storage given the held blob is written with a greater version, then it stays the key's", async () => {
  const opened = await openStorage();
  await storeBlob(opened.storage, "a", 1, "x", THREE_CHUNKS);
  assertEquals((await write(opened.storage, "a", blob(1, "x", THREE_CHUNKS).record)).kind, "duplicate");
  assertEquals((await write(opened.storage, "a", blob(2, "x", THREE_CHUNKS).record)).kind, "stored");
  await collectAll(opened);
  await assertReadable(opened.storage, (await read(opened.storage, "a"))!);
  assertEquals(await wallMsOf(opened.storage, "a"), 2);
});

Deno.test("storage given a superseded blob is written again, then it is no garbage any more", async () => {
  const opened = await openStorage();
  await storeBlob(opened.storage, "a", 1, "x", THREE_CHUNKS);
  await write(opened.storage, "a", value(2));
  assertEquals((await write(opened.storage, "a", blob(3, "x", THREE_CHUNKS).record)).kind, "stored");
  await collectAll(opened);
  await assertReadable(opened.storage, (await read(opened.storage, "a"))!);
  assertEquals(await keysOnDisk(opened.disk, ["garbage"]), []);
});

Deno.test("storage given a superseded blob whose chunks are being freed, when it is written again, then it is refused", async () => {
  let release: (() => void) | undefined;
  let hold = false;
  const hooks = { beforeCommit: () => hold ? new Promise<void>((resolve) => release = resolve) : undefined };
  const { storage, clock } = await openStorage({ hooks });
  await storeBlob(storage, "a", 1, "x", THREE_CHUNKS);
  await write(storage, "a", value(2));
  clock.advance(60_000);
  hold = true;
  const collected = storage.collectGarbage();
  while (release === undefined) await null;
  hold = false;
  await assertFails("upload_incomplete", () => write(storage, "a", blob(3, "x", THREE_CHUNKS).record));
  release();
  await collected;
  assertEquals(await wallMsOf(storage, "a"), 2);
});

const ENDED: Record<string, (opened: Opened) => Promise<unknown>> = {
  "a record names": async () => {},
  "a record names after a restart": async () => {},
  "is garbage": ({ storage }) => write(storage, "a", value(2)),
};

for (const [name, prepare] of Object.entries(ENDED)) {
  Deno.test(`storage given an upload that ${name}, when it is opened late again, then it is refused`, async () => {
    let opened = await openStorage();
    await storeBlob(opened.storage, "a", 1, "x", THREE_CHUNKS);
    await prepare(opened);
    if (name.includes("restart")) opened = await openStorage({ disk: opened.disk });
    await assertFails("upload_incomplete", () => opened.storage.blobs.openUpload("x"));
    await assertFails(
      "upload_incomplete",
      () => opened.storage.blobs.writeChunks("x", 0, [Uint8Array.of(1)]),
    );
    await opened.storage.blobs.abortUpload("x");
    const record = (await read(opened.storage, "a"))!;
    await collectAll(opened);
    await assertReadable(opened.storage, record);
  });
}

Deno.test("storage given the record and a late copy of its opening in one commit, then the copy is refused", async () => {
  const opened = await openStorage();
  const { record, chunks } = blob(1, "x", THREE_CHUNKS);
  await upload(opened.storage, "x", chunks);
  const [stored, late] = await Promise.allSettled([
    write(opened.storage, "a", record),
    opened.storage.blobs.openUpload("x"),
  ]);
  assertEquals([stored.status, late.status], ["fulfilled", "rejected"]);
  await collectAll(opened);
  await assertReadable(opened.storage, record);
});

Deno.test("storage given a chunk is damaged on the disk, then reading it says so", async () => {
  const { storage, disk } = await openStorage();
  await storeBlob(storage, "a", 1, "x", THREE_CHUNKS);
  disk.corrupt(["chunk", "x", 1]);
  assertEquals((await storage.blobs.readChunks("x", 0, 1)).length, 1);
  await assertFails("corrupt_value", () => storage.blobs.readChunks("x", 0, 2));
  await assertFails("corrupt_value", () => storage.blobs.readChunks("x", 2, 2));
});

Deno.test("storage given a value of thousands of chunks is aborted, then it is freed in bounded steps, across a restart", async () => {
  const { storage, clock, disk } = await openStorage();
  const chunk = new Uint8Array(CHUNK_BYTES);
  await storage.blobs.openUpload("x");
  for (let first = 0; first < 4_200; first += 12) {
    await storage.blobs.writeChunks("x", first, Array(12).fill(chunk));
  }
  await storage.blobs.abortUpload("x");
  clock.advance(60_000);
  await storage.collectGarbage();
  assertEquals((await keysOnDisk(disk, ["chunk"])).length, 200);
  // Its first chunk is gone, but what is left would be freed under a new upload.
  await assertFails("upload_incomplete", () => storage.blobs.openUpload("x"));
  const restarted = await openStorage({ disk, clock });
  clock.advance(60_000);
  await restarted.storage.collectGarbage();
  assertEquals((await keysOnDisk(disk, ["garbage"])).length, 1);
  await restarted.storage.collectGarbage();
  assertEquals([...await keysOnDisk(disk, ["chunk"]), ...await keysOnDisk(disk, ["garbage"])], []);
});

Deno.test("storage given a blob is revived while another is freed, then it is kept", async () => {
  let release: (() => void) | undefined;
  let hold = false;
  const hooks = { beforeCommit: () => hold ? new Promise<void>((resolve) => release = resolve) : undefined };
  const { storage, clock } = await openStorage({ hooks });
  for (const key of ["a", "b"]) {
    await storeBlob(storage, key, 1, `x${key}`, THREE_CHUNKS);
    await write(storage, key, value(2));
  }
  clock.advance(60_000);
  hold = true;
  const collected = storage.collectGarbage();
  while (release === undefined) await null;
  hold = false;
  const { record } = blob(3, "xb", THREE_CHUNKS);
  assertEquals((await write(storage, "b", record)).kind, "stored");
  release();
  await collected;
  await assertReadable(storage, record);
});

Deno.test("storage given an idle upload goes on while it is being closed, then it stays open", async () => {
  const { storage, clock } = await openStorage();
  const { record, chunks } = blob(1, "x", THREE_CHUNKS);
  await storage.blobs.openUpload("x");
  clock.advance(600_000);
  await Promise.all([storage.blobs.writeChunks("x", 0, chunks), storage.collectGarbage()]);
  assertEquals((await write(storage, "a", record)).kind, "stored");
});
