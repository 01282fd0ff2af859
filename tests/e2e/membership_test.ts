import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { eventually } from "./support/eventually.ts";
import { settled, type TestNode } from "./support/test_node.ts";
import { Traffic } from "./support/traffic.ts";
import { Workspace } from "./support/workspace.ts";

const KEYS = Array.from({ length: 60 }, (_, i) => `key/${i}`);

Deno.test("ring given a join under load, then every node shows it and no key is out of sight for a moment", async () => {
  await Workspace.run(async (work) => {
    const ring = await work.ring(3);
    const traffic = Traffic.start(ring);
    await traffic.more(50);
    const joiner = work.node({ flags: ["--server", ring[1]!.address] });
    await settled([...ring, joiner]);
    await traffic.more(50);
    const acknowledged = await traffic.stop();
    assertEquals(traffic.failures, []);

    const readable = await Promise.all(
      [...acknowledged].map(async ([key, value]) => (await joiner.get(key)).text === value),
    );
    assertEquals(readable.filter((isReadable) => !isReadable).length, 0);
    assertEquals((await joiner.ring()).replicas, 3);
    const shares = (await joiner.ring()).nodes.map((node) => node.ownedPartitions);
    for (const share of shares) assert(share > 11_500 && share < 13_100, `${shares} of 16384`);
  });
});

Deno.test("node given Ctrl-C in a ring of four, then hands over, exits 0, and joins as new when it starts again", async () => {
  await Workspace.run(async (work) => {
    const ring = await work.ring(4);
    const [leaver, ...rest] = ring as [TestNode, TestNode, TestNode, TestNode];
    for (const key of KEYS) assertEquals((await leaver.put(key, key)).status, 200);
    const { storeId } = (await leaver.ring()).nodes.find((node) => node.address === leaver.address)!;
    leaver.child.signal("SIGINT");
    assertEquals(await leaver.child.exit(), 0);
    await settled(rest);
    await assertThreeCopies(rest, KEYS);

    await rest[0]!.put("after", "it left");
    leaver.restart(work.nodeCommand(["--port", `${leaver.port}`]));
    await settled(ring);
    await leaver.logged(/Its data is kept in .*retired/);
    const returned = (await leaver.ring()).nodes.find((node) => node.address === leaver.address)!;
    assertNotEquals(returned.storeId, storeId);
    const names = Array.from(Deno.readDirSync(work.path(`mydht-data/${leaver.port}`)), ({ name }) => name);
    assertEquals(names.filter((name) => name.startsWith("retired-")).length, 1);
    for (const key of KEYS) assertEquals((await leaver.get(key)).text, key);
    assertEquals((await leaver.get("after")).text, "it left");
  });
});

Deno.test("node with the only copies of keys given Ctrl-C, then goes only when another has them", async () => {
  await Workspace.run(async (work) => {
    const [stays, leaver] = await work.ring(2, { flags: ["--replicas", "1"] }) as [TestNode, TestNode];
    for (const key of KEYS) await stays.put(key, key);
    const { localKeys } = await leaver.status();
    assert(localKeys > 0 && localKeys < KEYS.length, `${localKeys} of ${KEYS.length} keys`);
    leaver.child.signal("SIGINT");
    assertEquals(await leaver.child.exit(), 0);
    for (const key of KEYS) assertEquals((await stays.get(key)).text, key);
  });
});

Deno.test("client given leave HOST:PORT, then that node leaves and ends, and a ring of two takes writes", async () => {
  await Workspace.run(async (work) => {
    const [first, second, third] = await work.ring(3) as [TestNode, TestNode, TestNode];
    await first.put("a", "b");
    const run = await work.cli(["leave", third.address], { env: { MYDHT_SERVER: first.address } });
    assertEquals([run.code, run.stdout, run.stderr], [0, "LEAVE ok\n", ""]);
    assertEquals(await third.child.exit(), 0);
    await settled([first, second]);
    assertEquals((await second.get("a")).text, "b");
    assertEquals((await second.put("a", "c")).status, 200);
  });
});

Deno.test("remove given nodes of four, then refuses one that answers, and brings keys of the dead back to three copies", async () => {
  await Workspace.run(async (work) => {
    const [first, second, third, fourth] = await work.ring(4) as [TestNode, TestNode, TestNode, TestNode];
    for (const key of KEYS) await first.put(key, key);
    const remove = (...args: string[]) => work.cli(args, { env: { MYDHT_SERVER: first.address } });

    const refused = await first.request(`/nodes/${fourth.address}`, { method: "DELETE" });
    assertEquals([refused.status, JSON.parse(refused.text).code], [409, "node_reachable"]);
    const told = await remove("remove", fourth.address);
    assertEquals([told.code, told.stdout], [1, ""]);
    assertMatch(told.stderr, new RegExp(`^mydht: Cannot remove ${fourth.address}: .*still reach it.*\n$`));

    await fourth.kill();
    assertEquals(await remove("-c", "remove", "-k", fourth.address), ok("REMOVE ok\n"));
    await settled([first, second, third]);
    await assertThreeCopies([first, second, third], KEYS);
    assertEquals((await remove("remove", fourth.address)).code, 1);

    await third.kill();
    assertEquals(await remove("remove", third.address), ok("REMOVE ok\n"));
    await settled([first, second]);
    for (const key of KEYS) assertEquals((await second.get(key)).text, key);
    assertEquals((await second.put("after", "two")).status, 200);
  });
});

Deno.test("remove given one dead node of two, then asks for --force, and writes go on after it", async () => {
  await Workspace.run(async (work) => {
    const [first, second] = await work.ring(2) as [TestNode, TestNode];
    await first.put("a", "1");
    await second.kill();
    const remove = (...args: string[]) =>
      work.cli(["remove", second.address, ...args], { env: { MYDHT_SERVER: first.address } });
    const asked = await remove();
    assertEquals([asked.code, asked.stdout, /--force/.test(asked.stderr)], [1, "", true]);
    assertEquals(await remove("--force"), ok("REMOVE ok\n"));
    assertEquals((await first.get("a")).text, "1");
    assertEquals((await first.put("a", "2")).status, 200);
  });
});

Deno.test("node that was removed while it was down given a start, then sets its data aside and joins as new", async () => {
  await Workspace.run(async (work) => {
    const ring = await work.ring(3);
    const [first, second, third] = ring as [TestNode, TestNode, TestNode];
    await first.put("a", "1");
    await third.kill();
    assertEquals((await first.request(`/nodes/${third.address}`, { method: "DELETE" })).status, 200);
    await settled([first, second]);
    await first.put("a", "2");
    third.restart(work.nodeCommand(["--port", `${third.port}`]));
    await settled(ring);
    assertMatch(await third.child.stderr(), /was removed from the ring.*Its data is kept in/);
    assertEquals((await third.get("a")).text, "2");
  });
});

/** In a ring of three every node has its own copy of every key. */
async function assertThreeCopies(nodes: readonly TestNode[], keys: readonly string[]): Promise<void> {
  assertEquals(nodes.length, 3);
  for (const node of nodes) {
    await eventually(`${node.address} has a copy of every key`, async () => {
      const copies = await Promise.all(keys.map((key) => node.get(key, "?consistency=local")));
      return copies.every(({ text }, i) => text === keys[i]);
    });
  }
}

function ok(stdout: string) {
  return { code: 0, stdout, stderr: "", bytes: new TextEncoder().encode(stdout) };
}
