import { assertEquals, assertRejects } from "@std/assert";
import { HttpConnection } from "./http_connection.ts";

/** A server that answers each request on one connection with the next of these pieces of bytes, and then closes. */
async function answering(pieces: readonly string[][], use: (port: number) => Promise<void>): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    using connection = await listener.accept();
    for (const answer of pieces) {
      await connection.read(new Uint8Array(1024));
      for (const piece of answer) await connection.write(new TextEncoder().encode(piece));
    }
  })();
  try {
    await use(listener.addr.port);
    await served;
  } finally {
    listener.close();
  }
}

const ASK = new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n");
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("HttpConnection given answers in pieces, with a length and in chunks, then reads them one after the other", async () => {
  const withLength = ["HTTP/1.1 201 Created\r\nContent-", "Length: 5\r\n\r", "\nhe", "llo"];
  const inChunks = [
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r",
    "\n2\r\nde\r\n0\r\n\r\n",
  ];
  await answering([withLength, inChunks], async (port) => {
    using connection = await HttpConnection.open(port);
    const first = await connection.ask(ASK);
    assertEquals([first.status, textOf(first.body)], [201, "hello"]);
    const second = await connection.ask(ASK);
    assertEquals([second.status, textOf(second.body)], [200, "abcde"]);
  });
});

Deno.test("HttpConnection given a server that closes in the middle, then the request fails", async () => {
  await answering([["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"]], async (port) => {
    using connection = await HttpConnection.open(port);
    await assertRejects(() => connection.ask(ASK), Error, "closed");
  });
});
