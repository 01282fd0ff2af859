import type { MyDhtClient } from "../client.ts";
import { EXIT, FailedError } from "./failures.ts";
import { bytesText, countText, visible } from "./format.ts";
import { inParallel } from "./in_parallel.ts";
import { folderPrefix, type PathRules, planDownload } from "./key_paths.ts";
import { findFiles, makeParents } from "./local_tree.ts";
import { type Progress, showProgress } from "./progress.ts";
import { openSource } from "./put_source.ts";
import type { Session } from "./session.ts";
import { writeWhole } from "./whole_file.ts";

/** A file and its key, on the way from one to the other. */
interface Item {
  readonly key: string;
  /** Path from the working directory. */
  readonly path: string;
  readonly size: number;
}

/** Carries one item over, and gives its bytes. */
type Carry = (item: Item, progress: Progress, signal: AbortSignal) => Promise<number>;

/** `upload`: every file of a directory, under its path as key. */
export async function upload(session: Session): Promise<number> {
  const directory = session.required("DIR");
  const client = session.client();
  const { items, skipped } = await findFiles(directory, folderPrefix(session.value("prefix") ?? ""));
  for (const { path, reason } of skipped) await session.complain(`skipped ${visible(path)}: ${reason}`);
  return await carryAll(session, "upload", items, skipped.length, async ({ key, path }, progress, signal) => {
    const source = await openSource(path, session.io);
    const { contentType, size } = source;
    try {
      const options = { contentType, signal, ...(size !== undefined && { size }) };
      return (await client.put(key, source.value(progress), options)).size;
    } catch (error) {
      throw source.failure(error);
    }
  });
}

/** `download`: every key of a folder, to a file below a directory. */
export async function download(session: Session): Promise<number> {
  const directory = session.required("DIR");
  const folder = folderPrefix(session.required("prefix"));
  const client = session.client();
  const sizes = await listSizes(client, folder);
  const plan = planDownload([...sizes.keys()], folder, rulesHere());
  for (const { key, reason } of plan.skipped) await session.complain(`skipped "${visible(key)}": ${reason}`);
  const items = plan.files.map(({ key, path }) => ({ key, path, size: sizes.get(key)! }));
  return await carryAll(
    session,
    "download",
    items,
    plan.skipped.length,
    async ({ key, path }, progress, signal) => {
      await makeParents(directory, path);
      const value = await client.get(key, { signal });
      if (value === undefined) throw new FailedError("it was deleted meanwhile");
      let writtenBytes = 0;
      const written = (bytes: number) => {
        writtenBytes += bytes;
        progress.add(bytes);
      };
      await writeWhole(`${directory}/${path}`, value.body, { randomHex: session.io.randomHex, written });
      return writtenBytes;
    },
  );
}

async function listSizes(client: MyDhtClient, folder: string): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { key, size } of client.list({ prefix: folder })) sizes.set(key, size);
  if (sizes.size === 0) throw new FailedError(`there are no keys that begin with "${visible(folder)}"`);
  return sizes;
}

function rulesHere(): PathRules {
  const isWindows = Deno.build.os === "windows";
  return { isWindows, foldsCase: isWindows || Deno.build.os === "darwin" };
}

async function carryAll(
  session: Session,
  what: "upload" | "download",
  items: readonly Item[],
  skipped: number,
  carry: Carry,
): Promise<number> {
  using interruption = session.io.interruption();
  const { signal } = interruption;
  const progress = await showProgress(session.io, items.reduce((bytes, item) => bytes + item.size, 0));
  let bytes = 0;
  try {
    const { done, failed } = await inParallel(items, async (item) => {
      // Apart from the sum: `bytes += await …` would add to what it was before the others were carried.
      const carried = await carry(item, progress, signal);
      bytes += carried;
    }, { signal, failed: ({ key }, why) => session.complain(`cannot ${what} "${visible(key)}": ${why}`) });
    progress.stop();
    return await conclude(session, what, { files: done, bytes, failed, skipped });
  } finally {
    progress.stop();
  }
}

/** What became of all the files. */
interface Totals {
  readonly files: number;
  readonly bytes: number;
  readonly failed: number;
  readonly skipped: number;
}

async function conclude(session: Session, what: string, totals: Totals): Promise<number> {
  const { files, bytes, failed, skipped } = totals;
  const isComplete = failed === 0 && skipped === 0;
  const words = [
    `${what.toUpperCase()}${isComplete ? " OK" : ""} ${countText(files, "file")}, ${bytesText(bytes)}`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ];
  await session.answer(totals, words.join("; "));
  return isComplete ? EXIT.ok : EXIT.failed;
}
