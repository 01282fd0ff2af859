/**
 * As little server as can be: `bare_server.ts PORT FILE` answers each request by the head and the body in a JSON file,
 * `bare_server.ts PORT FILE --stream` by the file itself.
 */
const [port = "0", path = "", stream] = Deno.args;

async function answerer(): Promise<() => Response | Promise<Response>> {
  if (stream !== undefined) {
    return async () => new Response((await Deno.open(path)).readable);
  }
  const { headers, body } = JSON.parse(await Deno.readTextFile(path));
  return () => new Response(body, { headers });
}

const answer = await answerer();
Deno.serve({ hostname: "127.0.0.1", port: Number(port), onListen: () => {} }, () => answer());
