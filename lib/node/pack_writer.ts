/**
 * Writes MessagePack into one buffer, which is used again and again: for entries that are written with every
 * record, and have few fields.
 */
export class PackWriter {
  #bytes = new Uint8Array(4_096);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  /** Begins anew. */
  start(): this {
    this.#at = 0;
    return this;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#at;
  }

  /** The bytes written so far, and behind them whatever; valid until more is written. */
  get buffer(): Uint8Array {
    return this.#bytes;
  }

  /** The bytes written so far; valid until more is written. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  /** A copy of what was written. */
  taken(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  /** The header of a list with that many fields. */
  list(fields: number): this {
    this.#reserve(5);
    if (fields < 16) this.#bytes[this.#at++] = 0x90 | fields;
    else if (fields < 0x1_0000) this.#tagged16(0xdc, fields);
    else this.#tagged32(0xdd, fields);
    return this;
  }

  /** A whole number from 0 to 2^53 - 1. */
  count(value: number): this {
    this.#reserve(9);
    if (value < 0x80) this.#bytes[this.#at++] = value;
    else if (value < 0x100) this.#tagged8(0xcc, value);
    else if (value < 0x1_0000) this.#tagged16(0xcd, value);
    else if (value < 0x1_0000_0000) this.#tagged32(0xce, value);
    else {
      this.#tagged32(0xcf, Math.floor(value / 0x1_0000_0000));
      this.#view.setUint32(this.#at, value >>> 0);
      this.#at += 4;
    }
    return this;
  }

  none(): this {
    this.#reserve(1);
    this.#bytes[this.#at++] = 0xc0;
    return this;
  }

  text(text: string): this {
    const { length } = text;
    const start = this.#at;
    this.#reserve(5 + length);
    this.#textHeader(length);
    const bytes = this.#bytes;
    let at = this.#at;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) {
        this.#at = start;
        return this.#utf8(text);
      }
      bytes[at++] = unit;
    }
    this.#at = at;
    return this;
  }

  bytes(bytes: Uint8Array): this {
    const { length } = bytes;
    this.#reserve(5 + length);
    if (length < 0x100) this.#tagged8(0xc4, length);
    else if (length < 0x1_0000) this.#tagged16(0xc5, length);
    else this.#tagged32(0xc6, length);
    return this.raw(bytes);
  }

  /** These bytes as they are. */
  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }

  /** 32 bits, the lowest byte first, as they are. */
  word(value: number): this {
    this.#reserve(4);
    this.#view.setInt32(this.#at, value, true);
    this.#at += 4;
    return this;
  }

  #utf8(text: string): this {
    const encoded = encoder.encode(text);
    this.#reserve(5 + encoded.length);
    this.#textHeader(encoded.length);
    return this.raw(encoded);
  }

  #textHeader(length: number): void {
    if (length < 32) this.#bytes[this.#at++] = 0xa0 | length;
    else if (length < 0x100) this.#tagged8(0xd9, length);
    else if (length < 0x1_0000) this.#tagged16(0xda, length);
    else this.#tagged32(0xdb, length);
  }

  #tagged8(tag: number, value: number): void {
    this.#bytes[this.#at++] = tag;
    this.#bytes[this.#at++] = value;
  }

  #tagged16(tag: number, value: number): void {
    this.#bytes[this.#at++] = tag;
    this.#view.setUint16(this.#at, value);
    this.#at += 2;
  }

  #tagged32(tag: number, value: number): void {
    this.#bytes[this.#at++] = tag;
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(2 * (this.#at + bytes));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

const encoder = new TextEncoder();
