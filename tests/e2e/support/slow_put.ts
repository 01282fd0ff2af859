/** A PUT whose body the test sends in its own time, on a connection of its own. */
export class SlowPut implements Disposable {
  readonly #connection: Deno.TcpConn;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** Sends the head of the request, and returns once the node waits for its body. */
  static async begin(port: number, key: string, bodyBytes: number): Promise<SlowPut> {
    const put = new SlowPut(await Deno.connect({ hostname: "127.0.0.1", port }));
    await put.send(
      `PUT /keys/${key} HTTP/1.1\r\nHost: localhost:${port}\r\nContent-Length: ${bodyBytes}\r\n` +
        "Expect: 100-continue\r\n\r\n",
    );
    const going = await put.#read();
    if (!going.startsWith("HTTP/1.1 100 ")) throw new Error(`The node does not wait for a body: ${going}`);
    return put;
  }

  async send(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }

  /** The first line of the answer. */
  async answer(): Promise<string> {
    return (await this.#read()).split("\r\n")[0]!;
  }

  async #read(): Promise<string> {
    const buffer = new Uint8Array(16_384);
    const count = await this.#connection.read(buffer);
    return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}
