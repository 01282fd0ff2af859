import { typeByExtension } from "@std/media-types/type-by-extension";
import { MyDhtError, type PutValue } from "../client.ts";
import { FailedError, fileReason } from "./failures.ts";
import type { CliIo } from "./io.ts";
import { counted, type Progress } from "./progress.ts";

/** Files up to this many bytes are read before they are sent: the node then knows their size at once. */
const READ_AT_ONCE_MAX_BYTES = 256 * 1024;

/** Content type of bytes of which nothing is known. */
const OCTETS = "application/octet-stream";

/** Something that `put` and `upload` send. */
export interface Source {
  /** Bytes; `undefined` where only its end will tell. */
  readonly size: number | undefined;
  readonly contentType: string;
  /** What is sent; `progress` sees it pass. */
  value(progress: Progress): PutValue;
  /** Says in words what reading it failed with; other errors it gives back as they are. */
  failure(error: unknown): unknown;
}

/**
 * Opens a file, a pipe, or standard input (`-`).
 *
 * @throws {FailedError} If it cannot be read.
 */
export async function openSource(path: string, io: Pick<CliIo, "stdin">): Promise<Source> {
  if (path === "-") return streamSource("standard input", OCTETS, () => Promise.resolve(io.stdin()));
  const info = await Deno.stat(path).catch((error) => {
    throw cannotRead(path, error);
  });
  if (info.isDirectory) {
    throw new FailedError(`cannot put ${path}: it is a directory; "mydht upload" takes those`);
  }
  const contentType = contentTypeOf(path);
  const open = async () => (await Deno.open(path)).readable;
  if (!info.isFile) return streamSource(path, contentType, open);
  if (info.size > READ_AT_ONCE_MAX_BYTES) return fileSource(path, contentType, info.size, open);
  const bytes = await Deno.readFile(path).catch((error) => {
    throw cannotRead(path, error);
  });
  return {
    size: bytes.length,
    contentType,
    value(progress) {
      progress.add(bytes.length);
      return bytes;
    },
    failure: (error) => error,
  };
}

/** The content type that the name of a file speaks for. */
export function contentTypeOf(path: string): string {
  const extension = /\.([^./\\]+)$/.exec(path)?.[1];
  const type = extension === undefined ? undefined : typeByExtension(extension);
  if (type === undefined) return OCTETS;
  return type.startsWith("text/") ? `${type}; charset=utf-8` : type;
}

type Open = () => Promise<ReadableStream<Uint8Array>>;

/** A file can be opened anew for each try. */
function fileSource(path: string, contentType: string, size: number, open: Open): Source {
  return {
    size,
    contentType,
    value(progress) {
      let seenBytes = 0;
      return async () => {
        progress.add(-seenBytes);
        seenBytes = 0;
        return counted(await open(), (bytes) => {
          seenBytes += bytes;
          progress.add(bytes);
        });
      };
    },
    failure: (error) =>
      error instanceof RangeError
        ? new FailedError(`${path} changed while it was read: put it again`)
        : readFailure(path, error),
  };
}

/** A pipe can be read once. It is opened when it is sent, since that may wait for whoever writes to it. */
function streamSource(name: string, contentType: string, open: Open): Source {
  return {
    size: undefined,
    contentType,
    value: (progress) => lazyStream(open, (bytes) => progress.add(bytes)),
    failure: (error) => readFailure(name, error),
  };
}

function lazyStream(open: Open, seen: (bytes: number) => void): ReadableStream<Uint8Array> {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  let isWanted = true;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      reader ??= (await open()).getReader();
      if (!isWanted) return await reader.cancel();
      const { done, value } = await reader.read();
      if (!isWanted) return;
      if (done) return controller.close();
      seen(value.length);
      controller.enqueue(value);
    },
    cancel(reason) {
      isWanted = false;
      return reader?.cancel(reason);
    },
  }, { highWaterMark: 0 });
}

function readFailure(name: string, error: unknown): unknown {
  const isOfFile = error instanceof Error && !(error instanceof MyDhtError) &&
    !(error instanceof DOMException);
  return isOfFile ? cannotRead(name, error) : error;
}

function cannotRead(name: string, error: unknown): FailedError {
  return new FailedError(`cannot read ${name}: ${fileReason(error)}`, { cause: error });
}
