/** Texts kept to be handed out again: writers and content types are few. */
const KEPT_TEXTS = 256;

/** The longest text that is kept. */
const KEPT_TEXT_LENGTH = 64;

/**
 * Reads MessagePack of the kinds that `PackWriter` writes, field by field. Bytes are views of what is read.
 *
 * Equal short texts are one text in memory, which a record's writer and content type take no room of their own for.
 */
export class PackReader {
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;
  #end = 0;
  readonly #texts: (string | undefined)[] = new Array(KEPT_TEXTS).fill(undefined);

  /** Begins to read the first `length` bytes. */
  start(bytes: Uint8Array, length: number): this {
    this.#bytes = bytes;
    this.#at = 0;
    this.#end = length;
    return this;
  }

  /** Whether all has been read. */
  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  /** The number of fields of a list. */
  list(): number {
    const tag = this.#tag();
    if (tag >>> 4 === 0x9) return tag & 0xf;
    if (tag === 0xdc) return this.#uint16();
    if (tag === 0xdd) return this.#uint32();
    throw unreadable(tag);
  }

  /** A field that is a whole number, a text, bytes or nothing (null). */
  field(): number | string | Uint8Array | null {
    const tag = this.#tag();
    if (tag < 0x80) return tag;
    if (tag >>> 5 === 0x5) return this.#text(tag & 0x1f);
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc4:
        return this.#slice(this.#tag());
      case 0xc5:
        return this.#slice(this.#uint16());
      case 0xc6:
        return this.#slice(this.#uint32());
      case 0xcc:
        return this.#tag();
      case 0xcd:
        return this.#uint16();
      case 0xce:
        return this.#uint32();
      case 0xcf:
        return this.#uint32() * 0x1_0000_0000 + this.#uint32();
      case 0xd9:
        return this.#text(this.#tag());
      case 0xda:
        return this.#text(this.#uint16());
      case 0xdb:
        return this.#text(this.#uint32());
    }
    throw unreadable(tag);
  }

  #tag(): number {
    return this.#bytes[this.#take(1)]!;
  }

  #uint16(): number {
    const at = this.#take(2);
    return this.#bytes[at]! << 8 | this.#bytes[at + 1]!;
  }

  #uint32(): number {
    const at = this.#take(4);
    const bytes = this.#bytes;
    return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0;
  }

  #slice(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  #text(length: number): string {
    const start = this.#take(length);
    if (length === 0) return "";
    if (length > KEPT_TEXT_LENGTH) return this.#decode(start, length);
    const bytes = this.#bytes;
    const slot = (bytes[start + length - 1]! * 31 + bytes[start]! + length) % KEPT_TEXTS;
    const kept = this.#texts[slot];
    if (kept !== undefined && isAt(bytes, start, length, kept)) return kept;
    return this.#texts[slot] = this.#decode(start, length);
  }

  #decode(start: number, length: number): string {
    return decoder.decode(this.#bytes.subarray(start, start + length));
  }

  /** Where the next bytes begin, which are taken. */
  #take(bytes: number): number {
    const start = this.#at;
    if (bytes > this.#end - start) throw new RangeError("Cannot read: the bytes end too early");
    this.#at = start + bytes;
    return start;
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** Whether these bytes are the text, all of it ASCII. */
function isAt(bytes: Uint8Array, start: number, length: number, text: string): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit !== bytes[start + i] || unit >= 0x80) return false;
  }
  return true;
}

function unreadable(tag: number): RangeError {
  return new RangeError(`Cannot read: no field begins with ${tag}`);
}
