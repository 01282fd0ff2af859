import { assertEquals, assertRejects } from "@std/assert";
import { uploadFetch } from "../../lib/client/upload_fetch.ts";

/** A node that answers the first request on each connection and dies of every later one, having read it. */
class DyingServer implements AsyncDisposable {
  /** What it has read, without the heads. */
  readonly seen: string[] = [];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #serving = this.#serve();

  get url(): string {
    return `http://127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}/keys/a`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#serving;
  }

  async #serve(): Promise<void> {
    const connections: Promise<void>[] = [];
    for await (const connection of this.#listener) connections.push(this.#answer(connection));
    await Promise.all(connections);
  }

  async #answer(connection: Deno.Conn): Promise<void> {
    using _closing = connection;
    await this.#read(connection);
    await connection.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    await this.#read(connection);
  }

  async #read(connection: Deno.Conn): Promise<void> {
    let text = "";
    // All bodies are chunked.
    while (!text.endsWith("0\r\n\r\n")) {
      const buffer = new Uint8Array(4096);
      const count = await connection.read(buffer);
      if (count === null) return;
      text += new TextDecoder().decode(buffer.subarray(0, count));
    }
    this.seen.push(
      `${text.split(" ")[0]} ${/\r\n\r\n.*?\r?\n?(\w*)\r\n0\r\n\r\n$/s.exec(text)?.[1] ?? ""}`.trim(),
    );
  }
}

for (
  const [method, body, read] of [
    ["PUT", "abc", "PUT abc"],
    ["PUT", new TextEncoder().encode("abc"), "PUT abc"],
    ["DELETE", undefined, "DELETE"],
    ["POST", undefined, "POST"],
  ] as const
) {
  const kind = body === undefined ? "" : ` of ${typeof body === "string" ? "text" : "bytes"}`;
  Deno.test(`uploadFetch given a ${method}${kind} that a dying node has read, then fails and sends it once`, async () => {
    await using server = new DyingServer();
    const send = () => uploadFetch(server.url, { method, ...(body !== undefined && { body }) });
    await (await send()).body?.cancel();
    const error = await assertRejects(send, TypeError);
    assertEquals(server.seen, [read, read]);
    assertEquals(String(error.cause).includes("(Connect)"), false);
  });
}
