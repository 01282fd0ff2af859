import { FailedError, fileReason } from "./failures.ts";

/** What the writing of a file needs. */
export interface WholeFileOptions {
  /** Random bytes in hex, for the name of the unfinished file. */
  readonly randomHex: (bytes: number) => string;
  /** Told the bytes of each chunk that was written. */
  readonly written?: (bytes: number) => void;
}

/**
 * Writes a stream to a file that appears whole or not at all: it is written beside, and renamed in the end.
 *
 * A file that is there already is replaced, a link keeps leading to it. What is no file (a pipe, a device) is written
 * to as it is. Whatever goes wrong, nothing unfinished stays behind.
 *
 * @throws {FailedError} If the file cannot be written. Errors of the stream come as they are.
 */
export async function writeWhole(
  path: string,
  bytes: ReadableStream<Uint8Array>,
  options: WholeFileOptions,
): Promise<void> {
  try {
    const target = await findTarget(path);
    if (!target.isFile) return await drain(bytes, await opened(path, { write: true }), path, options);
    await writeBeside(path, target.path, bytes, options);
  } catch (error) {
    await bytes.cancel(error).catch(() => {});
    throw error;
  }
}

async function writeBeside(
  path: string,
  target: string,
  bytes: ReadableStream<Uint8Array>,
  options: WholeFileOptions,
): Promise<void> {
  const unfinished = besides(target, options.randomHex(6));
  const file = await opened(path, { write: true, createNew: true }, unfinished);
  try {
    await drainToDisk(bytes, file, path, options);
    await failing(path, Deno.rename(unfinished, target));
  } catch (error) {
    await Deno.remove(unfinished).catch(() => {});
    throw error;
  }
}

/** A name in the same directory, hidden and short enough for every file system. */
function besides(target: string, suffix: string): string {
  const slash = Math.max(
    target.lastIndexOf("/"),
    Deno.build.os === "windows" ? target.lastIndexOf("\\") : -1,
  );
  return `${target.slice(0, slash + 1)}.mydht-${suffix}.part`;
}

async function findTarget(path: string): Promise<{ readonly path: string; readonly isFile: boolean }> {
  try {
    const info = await Deno.stat(path);
    if (info.isDirectory) throw new FailedError(`cannot write ${path}: it is a directory`);
    return info.isFile ? { path: await Deno.realPath(path), isFile: true } : { path, isFile: false };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { path, isFile: true };
    throw error instanceof FailedError ? error : cannotWrite(path, error);
  }
}

/** Writes all bytes to a file on a disk and closes it: at once, as asking another thread for each piece costs more. */
async function drainToDisk(
  bytes: ReadableStream<Uint8Array>,
  file: Deno.FsFile,
  path: string,
  { written }: WholeFileOptions,
): Promise<void> {
  using _closed = file;
  for await (const chunk of bytes) {
    try {
      for (let at = 0; at < chunk.length;) at += file.writeSync(chunk.subarray(at));
    } catch (error) {
      throw cannotWrite(path, error);
    }
    written?.(chunk.length);
  }
}

/** Writes all bytes to what is no file, may take its time, and is closed then. */
async function drain(
  bytes: ReadableStream<Uint8Array>,
  file: Deno.FsFile,
  path: string,
  { written }: WholeFileOptions,
): Promise<void> {
  using _closed = file;
  for await (const chunk of bytes) {
    for (let at = 0; at < chunk.length;) at += await failing(path, file.write(chunk.subarray(at)));
    written?.(chunk.length);
  }
}

function opened(path: string, options: Deno.OpenOptions, openPath = path): Promise<Deno.FsFile> {
  return failing(path, Deno.open(openPath, options));
}

async function failing<T>(path: string, operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

function cannotWrite(path: string, error: unknown): FailedError {
  return new FailedError(`cannot write ${path}: ${fileReason(error)}`, { cause: error });
}
