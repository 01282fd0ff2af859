import { DhtError } from "./errors.ts";

/**
 * One field of a message: how it becomes plain data (what MessagePack can
 * carry), and how plain data of unknown origin becomes it or is refused.
 */
export interface Field<T> {
  encode(value: T): unknown;
  /** @throws {DhtError} "bad_message" if the data is not of this form. */
  decode(data: unknown): T;
}

/** The type a field stands for. */
export type Decoded<F> = F extends Field<infer T> ? T : never;

/** A whole number from 0 up. */
export const uint: Field<number> = checked("a whole number", (data): data is number => {
  return typeof data === "number" && Number.isSafeInteger(data) && data >= 0;
});

/** A whole number of that range, both ends included. */
export function uintWithin(least: number, most: number): Field<number> {
  return checked(`a whole number from ${least} to ${most}`, (data): data is number => {
    return typeof data === "number" && Number.isInteger(data) && data >= least && data <= most;
  });
}

/** A finite number above 0. */
export const positive: Field<number> = checked("a number above 0", (data): data is number => {
  return typeof data === "number" && Number.isFinite(data) && data > 0;
});

/** UTF-16 units a text may have. */
export const TEXT_MAX_LENGTH = 4_096;

/** A text. */
export const text: Field<string> = checked("a text", (data): data is string => {
  return typeof data === "string" && data.length <= TEXT_MAX_LENGTH;
});

/** Yes or no. */
export const flag: Field<boolean> = checked("a flag", (data): data is boolean => typeof data === "boolean");

/** Bytes. */
export const bytes: Field<Uint8Array> = checked(
  "bytes",
  (data): data is Uint8Array => data instanceof Uint8Array,
);

/** One of a few words. */
export function oneOf<const Word extends string>(...words: readonly Word[]): Field<Word> {
  return checked(words.join(" or "), (data): data is Word => words.includes(data as Word));
}

/** A field that may be absent; absence travels as null. */
export function optional<T>(field: Field<T>): Field<T | undefined> {
  return {
    encode: (value) => (value === undefined ? null : field.encode(value)),
    decode: (data) => (data === null || data === undefined ? undefined : field.decode(data)),
  };
}

/** A list, of at most `most` items. */
export function list<T>(field: Field<T>, most = 100_000): Field<readonly T[]> {
  return {
    encode: (items) => items.map((item) => field.encode(item)),
    decode: (data) => {
      if (!Array.isArray(data) || data.length > most) throw malformed(`a list of at most ${most}`);
      return data.map((item) => field.decode(item));
    },
  };
}

/** An object, sent as the list of its fields' values in the order given here. Fields may be added at the end. */
export function shape<Fields extends Record<string, Field<unknown>>>(
  fields: Fields,
): Field<{ readonly [K in keyof Fields]: Decoded<Fields[K]> }> {
  const entries = Object.entries(fields);
  return {
    encode: (value) => entries.map(([name, field]) => field.encode(value[name])),
    decode: (list) => {
      const data = fieldsOf(list);
      const value: Record<string, unknown> = {};
      entries.forEach(([name, field], i) => value[name] = field.decode(data[i]));
      return value as { readonly [K in keyof Fields]: Decoded<Fields[K]> };
    },
  };
}

/** The values of an object's fields, in their order. @throws {DhtError} "bad_message" if the data is no list. */
export function fieldsOf(data: unknown): readonly unknown[] {
  if (!Array.isArray(data)) throw malformed("a list of fields");
  return data;
}

function checked<T>(what: string, test: (data: unknown) => data is T): Field<T> {
  return {
    encode: (value) => value,
    decode: (data) => {
      if (!test(data)) throw malformed(what);
      return data;
    },
  };
}

function malformed(expected: string): DhtError {
  return new DhtError("bad_message", `Cannot read message: expected ${expected}`);
}
