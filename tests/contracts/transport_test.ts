import { HttpTransport } from "../../lib/adapters/http_transport.ts";
import { transportContract } from "./transport_contract.ts";

transportContract("HttpTransport", () => {
  const transport = new HttpTransport();
  const servers: Deno.HttpServer<Deno.NetAddr>[] = [];
  return {
    transport,
    nobody: "localhost:1024",
    serve(handler) {
      const server = Deno.serve(
        {
          port: 0,
          hostname: "127.0.0.1",
          onListen: () => {},
          onError: () => new Response(null, { status: 500 }),
        },
        async (request) => new Response(await handler(await request.bytes()) as Uint8Array<ArrayBuffer>),
      );
      servers.push(server);
      return `127.0.0.1:${server.addr.port}`;
    },
    async free() {
      transport.close();
      await Promise.all(servers.map((server) => server.shutdown()));
    },
  };
});
