import { toBytes } from "@std/streams/to-bytes";
import { READ_CONSISTENCIES, WRITE_CONSISTENCIES, type WriteConsistency } from "../api.ts";
import type { PutOptions, Value } from "../client.ts";
import { EXIT, FailedError, UsageError } from "./failures.ts";
import { bytesText, countText, secondsText, visible } from "./format.ts";
import { showProgress } from "./progress.ts";
import { parseSpan } from "./span.ts";
import type { Session } from "./session.ts";

/** Longest value that is shown on a terminal, in bytes. */
const TERMINAL_MAX_BYTES = 1024;

/** `put`: stores a value or a file. */
export async function put(session: Session): Promise<number> {
  const key = session.key();
  const value = session.value("value");
  const type = session.value("type");
  const ttl = session.value("ttl");
  const options = {
    ...(type !== undefined && { contentType: type }),
    ...(ttl !== undefined && { ttlSeconds: parseSpan(ttl) }),
    ...writeConsistency(session),
  };
  const answer = value === undefined
    ? await putFile(session, key, session.required("file"), options)
    : await session.client().put(key, value, options);
  await session.answer(answer, `PUT OK ${visible(key)}`);
  return EXIT.ok;
}

async function putFile(session: Session, key: string, path: string, options: PutOptions) {
  const { openSource } = await import("./put_source.ts");
  const client = session.client();
  const source = await openSource(path, session.io);
  using interruption = session.io.interruption();
  const progress = await showProgress(session.io, source.size);
  try {
    return await client.put(key, source.value(progress), {
      contentType: source.contentType,
      ...options,
      signal: interruption.signal,
      ...(source.size !== undefined && { size: source.size }),
    });
  } catch (error) {
    throw source.failure(error);
  } finally {
    progress.stop();
  }
}

/** `get`: prints a value, or writes it to a file. */
export async function get(session: Session): Promise<number> {
  const key = session.key();
  const output = session.value("output");
  if (output !== undefined && output !== "-") {
    await getToFile(session, key, output);
    return EXIT.ok;
  }
  const value = await valueOf(session, key);
  if (output === undefined && session.io.stdout.isTerminal()) {
    await session.io.stdout.write(await terminalBytes(key, value));
    return EXIT.ok;
  }
  for await (const chunk of value.body) await session.io.stdout.write(chunk);
  return EXIT.ok;
}

async function valueOf(session: Session, key: string, signal?: AbortSignal): Promise<Value> {
  const client = session.client();
  const options = { ...(signal && { signal }), ...consistency(session, READ_CONSISTENCIES) };
  return await client.get(key, options) ?? missing(session, key);
}

/** @throws {UsageError} */
function consistency<T extends string>(session: Session, words: readonly T[]): { readonly consistency?: T } {
  const given = session.value("consistency");
  if (given === undefined) return {};
  const word = words.find((candidate) => candidate === given);
  if (word === undefined) throw new UsageError(`--consistency ${given}: it is one of ${words.join(", ")}`);
  return { consistency: word };
}

/** @throws {UsageError} */
function writeConsistency(session: Session): { readonly consistency?: WriteConsistency } {
  const given = session.value("consistency");
  if (given === "one" || given === "local") {
    const why = "a write is acknowledged by a majority of the owners at least";
    throw new UsageError(`--consistency ${given} is for get: ${why}`);
  }
  return consistency(session, WRITE_CONSISTENCIES);
}

function missing(session: Session, key: string): never {
  throw new FailedError(`there is no key "${visible(key)}" (asked ${session.server()})`);
}

async function getToFile(session: Session, key: string, path: string): Promise<void> {
  if (path === "") throw new FailedError("cannot write to a file without a name");
  const { writeWhole } = await import("./whole_file.ts");
  const { io } = session;
  using interruption = io.interruption();
  const value = await valueOf(session, key, interruption.signal);
  const progress = await showProgress(io, value.size);
  try {
    await writeWhole(path, value.body, { randomHex: io.randomHex, written: (bytes) => progress.add(bytes) });
  } finally {
    progress.stop();
  }
}

/** The bytes to show on a terminal: short text that commands nothing, with a newline in the end. */
async function terminalBytes(key: string, value: Value): Promise<Uint8Array> {
  if (value.size === undefined || value.size > TERMINAL_MAX_BYTES) {
    await value.body.cancel();
    const size = value.size === undefined ? "of unknown length" : `${bytesText(value.size)} long`;
    throw notForTerminal(key, `is ${size}`);
  }
  const bytes = await toBytes(value.body);
  if (!isPlainText(bytes)) throw notForTerminal(key, "is not plain text");
  const newline = bytes.at(-1) === 0x0a ? [] : [0x0a];
  return Uint8Array.from([...bytes, ...newline]);
}

function notForTerminal(key: string, why: string): FailedError {
  return new FailedError(
    `the value of "${visible(key)}" ${why}: write it to a file with -o FILE, or send it through a pipe`,
  );
}

function isPlainText(bytes: Uint8Array): boolean {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    // deno-lint-ignore no-control-regex
    return !/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/.test(text);
  } catch {
    return false;
  }
}

/** `del`: deletes a key, or all with a prefix. */
export async function del(session: Session): Promise<number> {
  if (session.value("prefix") !== undefined) return await deletePrefix(session);
  const key = session.key();
  const answer = await session.client().delete(key, writeConsistency(session)) ?? missing(session, key);
  await session.answer(answer, `DEL OK ${visible(key)}`);
  return EXIT.ok;
}

async function deletePrefix(session: Session): Promise<number> {
  const { inParallel } = await import("./in_parallel.ts");
  const client = session.client();
  using interruption = session.io.interruption();
  const { signal } = interruption;
  const prefix = session.required("prefix");
  const options = { signal, ...writeConsistency(session) };
  const outcome = await inParallel(client.list({ prefix, signal }), async ({ key }) => {
    // Another client may have deleted it meanwhile: that is what was wanted.
    await client.delete(key, options);
  }, {
    signal,
    failed: ({ key }, message) => session.complain(`cannot delete "${visible(key)}": ${message}`),
  });
  const failed = outcome.failed > 0 ? `; ${outcome.failed} failed` : "";
  const json = { deleted: outcome.done, failed: outcome.failed };
  const verdict = outcome.failed > 0 ? "DEL" : "DEL OK";
  await session.answer(json, `${verdict} ${countText(outcome.done, "key")}${failed}`);
  return outcome.failed > 0 ? EXIT.failed : EXIT.ok;
}

/** `haskey`: since when the asked node has a copy. */
export async function haskey(session: Session): Promise<number> {
  const answer = await session.client().hasKey(session.key());
  await session.answer(answer, secondsText(answer.timestamp));
  return EXIT.ok;
}

/** `whereis`: the nodes where a key belongs. */
export async function whereis(session: Session): Promise<number> {
  const answer = await session.client().whereIs(session.key());
  await session.answer(answer, answer.nodes.join(", "));
  return EXIT.ok;
}
