import { assertEquals } from "@std/assert";

// What the routes rely on when they hand on a request in place of its signal, which is dear to make.
for (const method of ["GET", "PUT"]) {
  Deno.test(`signal of a ${method} given the client has gone, when it is first looked at, then it is aborted a moment later`, async () => {
    const arrived = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<boolean>();
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      await request.bytes();
      arrived.resolve();
      await gone.promise;
      request.signal.aborted;
      await Promise.resolve();
      await Promise.resolve();
      aborted.resolve(request.signal.aborted);
      return new Response();
    });
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port });
    await connection.write(
      new TextEncoder().encode(`${method} / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`),
    );
    await arrived.promise;
    connection.close();
    // The server has to see it.
    await new Promise((resolve) => setTimeout(resolve, 200));
    gone.resolve();
    assertEquals(await aborted.promise, true);
    await server.shutdown();
  });
}
