import { checkKey } from "../client.ts";
import { FailedError, fileReason } from "./failures.ts";
import { parentsOf } from "./key_paths.ts";

/** The files of a directory, and what in it cannot be uploaded. */
export interface FoundFiles {
  readonly items: readonly { readonly key: string; readonly path: string; readonly size: number }[];
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
}

/**
 * Finds all files below a directory, in the order of their names. Links to files are followed, links to directories
 * are not: they may lead round in a circle.
 *
 * @param folder What the key of each begins with; its path below the directory follows.
 * @throws {FailedError} If the directory cannot be read.
 */
export async function findFiles(directory: string, folder: string): Promise<FoundFiles> {
  const items: { key: string; path: string; size: number }[] = [];
  const skipped: { path: string; reason: string }[] = [];

  async function visit(path: string, below: string): Promise<void> {
    for (const entry of await readDirectory(path)) {
      const entryPath = `${path}/${entry.name}`;
      const key = below + entry.name;
      if (entry.isDirectory) await visitBelow(entryPath, `${key}/`);
      else await note(entryPath, key, entry);
    }
  }

  async function visitBelow(path: string, below: string): Promise<void> {
    try {
      await visit(path, below);
    } catch (error) {
      if (!(error instanceof FailedError)) throw error;
      skipped.push({ path, reason: error.message });
    }
  }

  async function note(path: string, key: string, entry: Deno.DirEntry): Promise<void> {
    const info = await Deno.stat(path).catch(fileReason);
    const reason = typeof info === "string" ? info : reasonToSkip(key, info, entry);
    if (reason !== undefined) skipped.push({ path, reason });
    else if (typeof info !== "string") items.push({ key, path, size: info.size });
  }

  await visit(directory, folder);
  return { items, skipped };
}

async function readDirectory(path: string): Promise<Deno.DirEntry[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(path));
    return entries.sort((a, b) => a.name < b.name ? -1 : 1);
  } catch (error) {
    throw new FailedError(`cannot read the directory ${path}: ${fileReason(error)}`, { cause: error });
  }
}

function reasonToSkip(key: string, info: Deno.FileInfo, entry: Deno.DirEntry): string | undefined {
  if (info.isDirectory && entry.isSymlink) return "it is a link to a directory";
  if (!info.isFile) return "it is not a file";
  try {
    checkKey(key);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * Makes the directories that a file needs below a directory.
 *
 * @param path Relative, its parts separated by `/`; none of them `..`.
 * @throws {FailedError} If a part of the path is a link, which may lead elsewhere, or a file.
 */
export async function makeParents(directory: string, path: string): Promise<void> {
  await Deno.mkdir(directory, { recursive: true }).catch((error) => {
    throw new FailedError(`cannot make the directory ${directory}: ${fileReason(error)}`, { cause: error });
  });
  for (const parent of parentsOf(path)) await makeDirectory(`${directory}/${parent}`);
  const info = await Deno.lstat(`${directory}/${path}`).catch(() => undefined);
  if (info?.isSymlink) throw new FailedError(`${directory}/${path} is a link, which may lead elsewhere`);
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await Deno.mkdir(path);
  } catch (error) {
    const info = await Deno.lstat(path).catch(() => undefined);
    if (info?.isDirectory) return;
    if (info?.isSymlink) throw new FailedError(`${path} is a link, which may lead elsewhere`);
    if (info !== undefined) throw new FailedError(`${path} is a file already`);
    throw new FailedError(`cannot make the directory ${path}: ${fileReason(error)}`, { cause: error });
  }
}
