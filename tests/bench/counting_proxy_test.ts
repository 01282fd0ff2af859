import { assertEquals } from "@std/assert";
import { CountingProxy } from "./counting_proxy.ts";

Deno.test("CountingProxy given a request and its answer, then passes on both and counts their bytes", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    const connection = await listener.accept();
    const request = new Uint8Array(16);
    const count = await connection.read(request);
    await connection.write(request.subarray(0, count!).toReversed());
    connection.close();
  })();
  const proxy = new CountingProxy(() => listener.addr.port);
  const client = await Deno.connect({ hostname: "127.0.0.1", port: proxy.port });
  await client.write(new TextEncoder().encode("hello"));
  const answer = new Uint8Array(16);
  const count = await client.read(answer);
  assertEquals(new TextDecoder().decode(answer.subarray(0, count!)), "olleh");
  assertEquals(proxy.bytes, 10);
  // The other end is gone, and the proxy says so.
  assertEquals(await client.read(answer), null);
  client.close();
  await served;
  proxy[Symbol.dispose]();
  listener.close();
});
