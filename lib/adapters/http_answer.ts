/** An answer over HTTP, whole. */
export interface HttpAnswer {
  readonly status: number;
  /** Whether the body is a problem document (RFC 9457). */
  readonly isProblem: boolean;
  /** Of a refusal `undefined` where it is longer than anybody would read. */
  readonly body: Uint8Array<ArrayBuffer> | undefined;
}

/** Bytes of the longest body of a refusal that is read. */
export const PROBLEM_MAX_BYTES: number = 16 * 1024;

/** Bytes that an answer's head may have, or the line before a chunk. */
const HEAD_MAX_BYTES = 64 * 1024;

const CR = 13;
const LF = 10;
const LINE_END_BYTES = 2;
const decoder = new TextDecoder();

/** The answer is longer than the caller takes; the message says so. */
export class AnswerTooLong extends Error {
  override readonly name = "AnswerTooLong";
}

interface Head {
  readonly status: number;
  readonly isProblem: boolean;
  readonly closes: boolean;
  /** Bytes of the body; "chunked"; `undefined` where only the end of the connection would say. */
  readonly length: number | "chunked" | undefined;
}

/**
 * Reads one HTTP/1.1 answer as its bytes come in: those with a length, and those in chunks.
 *
 * What is none throws an `Error` that says "invalid HTTP"; too long an answer throws `AnswerTooLong`.
 */
export class AnswerParser {
  readonly #maxBytes: number;
  #held: Uint8Array = new Uint8Array(0);
  #head: Head | undefined;
  #body: Uint8Array<ArrayBuffer> | undefined;
  /** Bytes of the body that have come. */
  #bodyAt = 0;
  #chunks: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** Bytes of a chunk yet to come, and those of the line end behind it. */
  #chunkLeft = 0;
  #answer: HttpAnswer | undefined;
  /** Whether the connection can carry another request afterwards. */
  #isReusable = true;

  /** @param maxBytes Bytes of the longest body taken. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The answer, once it is whole. */
  get answer(): HttpAnswer | undefined {
    return this.#answer;
  }

  /** Of a whole answer: whether the connection can carry another request. */
  get isReusable(): boolean {
    return this.#isReusable && this.#held.length === 0;
  }

  /** Where the next bytes may be read into directly, to be told by `filled`; else they are handed to `feed`. */
  get room(): Uint8Array | undefined {
    return this.#body?.subarray(this.#bodyAt);
  }

  /** Says that so many bytes were read into `room`. */
  filled(bytes: number): void {
    this.#bodyAt += bytes;
    if (this.#bodyAt === this.#body!.length) this.#end(this.#body);
  }

  /** Takes the next bytes; what is kept of them is copied. */
  feed(data: Uint8Array): void {
    this.#held = this.#held.length === 0 ? data : joined(this.#held, data);
    if (this.#head === undefined) this.#readHead();
    if (this.#head?.length === "chunked") this.#readChunks();
    // The caller reads into the same bytes again.
    if (this.#held.length > 0) this.#held = this.#held.slice();
  }

  #readHead(): void {
    for (;;) {
      const end = headEnd(this.#held);
      if (end === -1) {
        const couldBegin = startsLikeHttp(this.#held);
        if (!couldBegin || this.#held.length > HEAD_MAX_BYTES) throw invalid();
        return;
      }
      if (end > HEAD_MAX_BYTES) throw invalid();
      const head = headOf(decoder.decode(this.#held.subarray(0, end)));
      this.#held = this.#held.subarray(end);
      // An interim answer: the real one follows.
      if (head.status < 200) continue;
      this.#head = head;
      if (head.closes) this.#isReusable = false;
      return this.#beginBody(head);
    }
  }

  #beginBody({ status, length }: Head): void {
    if (length === "chunked") return;
    if (length === undefined && status !== 204 && status !== 304) {
      if (status === 200) throw invalid();
      return this.#endUnread();
    }
    const bytes = length ?? 0;
    if (!this.#fits(bytes)) return;
    const body = new Uint8Array(bytes);
    const here = Math.min(bytes, this.#held.length);
    body.set(this.#held.subarray(0, here));
    this.#held = this.#held.subarray(here);
    if (here === bytes) return this.#end(body);
    this.#body = body;
    this.#bodyAt = here;
  }

  #readChunks(): void {
    while (this.#answer === undefined) {
      if (this.#chunkLeft > 0) this.#takeChunk();
      const lineEnd = this.#held.indexOf(LF);
      if (this.#chunkLeft > 0 || lineEnd === -1) {
        if (this.#held.length > HEAD_MAX_BYTES) throw invalid();
        return;
      }
      const bytes = chunkBytes(decoder.decode(this.#held.subarray(0, lineEnd)));
      if (bytes === 0) return this.#readTrailers(lineEnd + 1);
      if (!this.#fits(this.#bodyAt + bytes)) return;
      this.#held = this.#held.subarray(lineEnd + 1);
      this.#chunkLeft = bytes + LINE_END_BYTES;
    }
  }

  #takeChunk(): void {
    const data = this.#held.subarray(0, Math.max(0, this.#chunkLeft - LINE_END_BYTES));
    this.#chunks = withRoom(this.#chunks, this.#bodyAt, data.length);
    this.#chunks.set(data, this.#bodyAt);
    this.#bodyAt += data.length;
    const taken = Math.min(this.#held.length, this.#chunkLeft);
    // The line end, as far as it has come.
    for (let at = data.length; at < taken; at++) {
      if (this.#held[at] !== (this.#chunkLeft - at === LINE_END_BYTES ? CR : LF)) throw invalid();
    }
    this.#chunkLeft -= taken;
    this.#held = this.#held.subarray(taken);
  }

  /** Lines behind the last chunk, to an empty one. */
  #readTrailers(from: number): void {
    const rest = this.#held.subarray(from);
    const end = rest[0] === CR && rest[1] === LF ? 2 : headEnd(rest);
    if (end === -1) {
      if (rest.length > HEAD_MAX_BYTES) throw invalid();
      return;
    }
    this.#held = rest.subarray(end);
    this.#end(this.#chunks.slice(0, this.#bodyAt));
  }

  #fits(bytes: number): boolean {
    const isRefusal = this.#head!.status !== 200;
    if (bytes <= (isRefusal ? PROBLEM_MAX_BYTES : this.#maxBytes)) return true;
    if (!isRefusal) throw new AnswerTooLong(`its answer is longer than ${this.#maxBytes} bytes`);
    this.#endUnread();
    return false;
  }

  #endUnread(): void {
    this.#isReusable = false;
    this.#end(undefined);
  }

  #end(body: HttpAnswer["body"]): void {
    const { status, isProblem } = this.#head!;
    this.#body = undefined;
    this.#answer = { status, isProblem, body };
  }
}

/** Where the body begins; -1 while the head is not whole. */
function headEnd(data: Uint8Array): number {
  for (let at = data.indexOf(LF); at !== -1; at = data.indexOf(LF, at + 1)) {
    if (data[at - 1] === CR && data[at - 2] === LF && data[at - 3] === CR) return at + 1;
  }
  return -1;
}

function startsLikeHttp(data: Uint8Array): boolean {
  for (let i = 0; i < Math.min(data.length, STATUS_START.length); i++) {
    if (data[i] !== STATUS_START.charCodeAt(i)) return false;
  }
  return true;
}
const STATUS_START = "HTTP/1.";

function headOf(text: string): Head {
  const line = /^HTTP\/1\.([01]) (\d{3})[ \r]/.exec(text);
  if (line === null) throw invalid();
  const connection = field(text, CONNECTION)?.toLowerCase();
  return {
    status: Number(line[2]),
    isProblem: field(text, CONTENT_TYPE)?.includes("problem+json") === true,
    closes: connection?.includes("close") === true ||
      (line[1] === "0" && connection?.includes("keep-alive") !== true),
    length: lengthOf(text),
  };
}

/** Where it is said in two ways, one of them is wrong, and what follows would be read as another answer. */
function lengthOf(head: string): Head["length"] {
  const encoding = only(head, TRANSFER_ENCODINGS)?.toLowerCase();
  const length = only(head, CONTENT_LENGTHS);
  if (encoding !== undefined) {
    if (encoding !== "chunked" || length !== undefined) throw invalid();
    return "chunked";
  }
  if (length === undefined) return undefined;
  if (!/^\d{1,15}$/.test(length)) throw invalid();
  return Number(length);
}

const CONNECTION = /\r\nconnection:[ \t]*([^\r]*)/i;
const CONTENT_TYPE = /\r\ncontent-type:[ \t]*([^\r]*)/i;
const TRANSFER_ENCODINGS = /\r\ntransfer-encoding:[^\r]*/gi;
const CONTENT_LENGTHS = /\r\ncontent-length:[^\r]*/gi;

function field(head: string, pattern: RegExp): string | undefined {
  return pattern.exec(head)?.[1]?.trimEnd();
}

/** The value of a field that may not have two; `pattern` matches all lines of it. */
function only(head: string, pattern: RegExp): string | undefined {
  const values = head.match(pattern)?.map((line) => line.slice(line.indexOf(":") + 1).trim());
  if (values?.some((value) => value !== values[0])) throw invalid();
  return values?.[0];
}

function chunkBytes(line: string): number {
  const digits = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?\r$/i.exec(line);
  if (digits === null) throw invalid();
  return parseInt(digits[1]!, 16);
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = withRoom(first, first.length, second.length);
  both.set(second, first.length);
  return both.subarray(0, first.length + second.length);
}

/** Bytes with room for more behind the first `used`; twice as many each time they are copied. */
function withRoom(data: Uint8Array, used: number, more: number): Uint8Array<ArrayBuffer> {
  if (used + more <= data.length) return data as Uint8Array<ArrayBuffer>;
  const larger = new Uint8Array(Math.max(used + more, 2 * data.length));
  larger.set(data.subarray(0, used));
  return larger;
}

function invalid(): Error {
  return new Error("invalid HTTP");
}
