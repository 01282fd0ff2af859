/** `bare_get.ts URL FILE` fetches an address into a file. */
const [url = "", path = ""] = Deno.args;
const response = await fetch(url);
using file = await Deno.open(path, { create: true, truncate: true, write: true });
await response.body?.pipeTo(file.writable, { preventClose: true });
