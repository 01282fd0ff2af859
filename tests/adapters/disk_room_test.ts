import { assert, assertEquals } from "@std/assert";
import { diskRoom } from "../../lib/adapters/disk_room.ts";

Deno.test("disk room of a directory, then some of its disk may be free", async () => {
  const room = await diskRoom(".");
  assert(room !== undefined && room.freeBytes <= room.totalBytes && room.totalBytes > 0);
});

Deno.test("disk room of what is no directory, then nobody can tell", async () => {
  assertEquals(await diskRoom("no/such/directory"), undefined);
});

Deno.test({
  name: "disk room given it must not be asked, then nobody can tell",
  permissions: { read: true, sys: false },
  fn: async () => assertEquals(await diskRoom("."), undefined),
});
