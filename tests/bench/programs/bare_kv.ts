/**
 * `bare_kv.ts FILE DIRECTORY` writes a file into three Deno KV databases in parallel, in entries of 60 KiB, as many to
 * a commit as it takes: the disk work of a large value with three copies, and nothing else.
 */
const [path = "", directory = ""] = Deno.args;
const CHUNK_BYTES = 60 * 1024;
const CHUNKS_PER_COMMIT = 12;
const COPIES = 3;

async function copy(number: number): Promise<void> {
  const kv = await Deno.openKv(`${directory}/bare-${number}.kv`);
  using file = await Deno.open(path);
  let commit = kv.atomic();
  for (let i = 0;; i++) {
    const chunk = await nextChunk(file);
    if (chunk !== undefined) commit.set(["chunk", i], chunk);
    if (chunk === undefined || (i + 1) % CHUNKS_PER_COMMIT === 0) {
      await commit.commit();
      commit = kv.atomic();
    }
    if (chunk === undefined) break;
  }
  kv.close();
}

async function nextChunk(file: Deno.FsFile): Promise<Uint8Array | undefined> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  let length = 0;
  while (length < CHUNK_BYTES) {
    const count = await file.read(chunk.subarray(length));
    if (count === null) break;
    length += count;
  }
  return length === 0 ? undefined : chunk.subarray(0, length);
}

await Promise.all(Array.from({ length: COPIES }, (_, i) => copy(i)));
