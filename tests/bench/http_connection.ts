/** An answer, whole. */
export interface HttpAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

const READ_BYTES = 65_536;
const text = new TextDecoder();

/**
 * One kept-alive HTTP/1.1 connection, one request after the other: as little client as can be, the same for
 * whoever is measured. Understands answers with a length, and those in chunks.
 */
export class HttpConnection implements Disposable {
  readonly #connection: Deno.TcpConn;
  readonly #chunk = new Uint8Array(READ_BYTES);
  #held = new Uint8Array(0);

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    connection.setNoDelay(true);
  }

  static async open(port: number): Promise<HttpConnection> {
    return new HttpConnection(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Sends a request, whole, and waits for its answer. */
  async ask(request: Uint8Array): Promise<HttpAnswer> {
    for (let at = 0; at < request.length;) at += await this.#connection.write(request.subarray(at));
    const head = text.decode(await this.#until("\r\n\r\n"));
    const status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    const body = length === undefined && /\r\ntransfer-encoding: *chunked/i.test(head)
      ? await this.#chunks()
      : await this.#bytes(Number(length ?? 0));
    return { status, head, body };
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }

  async #chunks(): Promise<Uint8Array<ArrayBuffer>> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (;;) {
      const size = parseInt(text.decode(await this.#until("\r\n")), 16);
      parts.push(await this.#bytes(size));
      await this.#bytes(2);
      if (size === 0) return new Uint8Array(await new Blob(parts).arrayBuffer());
    }
  }

  /** Takes what has come up to a mark, and the mark. */
  async #until(mark: string): Promise<Uint8Array> {
    const last = mark.charCodeAt(mark.length - 1);
    for (let from = 0;;) {
      const at = this.#held.indexOf(last, from);
      if (at < 0) {
        from = this.#held.length;
        await this.#more();
      } else if (text.decode(this.#held.subarray(Math.max(0, at + 1 - mark.length), at + 1)) === mark) {
        return this.#take(at + 1);
      } else {
        from = at + 1;
      }
    }
  }

  async #bytes(count: number): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#held.length < count) await this.#more();
    return this.#take(count);
  }

  #take(count: number): Uint8Array<ArrayBuffer> {
    const taken = this.#held.slice(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  async #more(): Promise<void> {
    const count = await this.#connection.read(this.#chunk);
    if (count === null) throw new Error("The connection was closed in the middle of an answer");
    const all = new Uint8Array(this.#held.length + count);
    all.set(this.#held);
    all.set(this.#chunk.subarray(0, count), this.#held.length);
    this.#held = all;
  }
}
