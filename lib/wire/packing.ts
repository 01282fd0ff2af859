import { decode, Encoder } from "@msgpack/msgpack";
import { DhtError } from "../core/errors.ts";

/** Version of this format. A node answers a message of another version with "bad_message". */
export const WIRE_VERSION = 1;

// One for all messages: it keeps the buffer it has grown, where a new one would grow its own for every message.
const encoder = new Encoder();

/** A list in MessagePack that begins with the version of the format. */
export function pack(fields: readonly unknown[]): Uint8Array {
  return encoder.encode([WIRE_VERSION, ...fields]);
}

// Room is made for a list as long as a message says before its items are read.
const LIST_MAX_LENGTH = 100_000;

/** What stands behind the version in a list of this format. @throws {DhtError} "bad_message" */
export function unpack(data: Uint8Array): unknown[] {
  let list: unknown;
  try {
    list = decode(data, { maxArrayLength: LIST_MAX_LENGTH, maxMapLength: LIST_MAX_LENGTH });
  } catch (cause) {
    throw new DhtError("bad_message", "Cannot read message: not MessagePack", {}, { cause });
  }
  if (!Array.isArray(list)) throw malformed();
  const [wireVersion, ...fields] = list;
  checkWireVersion(wireVersion);
  return fields;
}

function checkWireVersion(found: unknown): void {
  if (found === WIRE_VERSION) return;
  const format = typeof found === "number" ? found : "unknown";
  throw new DhtError(
    "bad_message",
    `Cannot read message: its format is ${format}, this node speaks ${WIRE_VERSION}`,
  );
}

/** What is told of bytes that are no message. */
export function malformed(): DhtError {
  return new DhtError("bad_message", "Cannot read message: it is not of the form of a message between nodes");
}
