/** Passes what comes to a port on to another, both ways, and counts it. */
export class CountingProxy implements Disposable {
  readonly #listener: Deno.TcpListener;
  readonly #target: () => number;
  readonly #open = new Set<Deno.TcpConn>();
  #bytes = 0;

  /** @param target Port that it passes on to, once somebody connects. */
  constructor(target: () => number) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#target = target;
    void this.#serve();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Bytes passed on so far, both ways. */
  get bytes(): number {
    return this.#bytes;
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.#open) connection.close();
  }

  async #serve(): Promise<void> {
    try {
      for await (const client of this.#listener) void this.#join(client);
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted)) {
        throw error;
      }
    }
  }

  async #join(client: Deno.TcpConn): Promise<void> {
    this.#open.add(client);
    try {
      const target = await Deno.connect({ hostname: "127.0.0.1", port: this.#target() });
      this.#open.add(target);
      await Promise.all([this.#pass(client, target), this.#pass(target, client)]);
    } catch {
      // A connection that breaks, or nobody who listens, is what the client sees, too.
      this.#end(client);
    }
  }

  async #pass(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const chunk = new Uint8Array(65_536);
    try {
      for (;;) {
        const count = await from.read(chunk);
        if (count === null) break;
        this.#bytes += count;
        for (let at = 0; at < count;) at += await to.write(chunk.subarray(at, count));
      }
    } finally {
      this.#end(from);
      this.#end(to);
    }
  }

  #end(connection: Deno.TcpConn): void {
    if (this.#open.delete(connection)) connection.close();
  }
}
