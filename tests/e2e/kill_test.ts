import { assertEquals } from "@std/assert";
import { eventually } from "./support/eventually.ts";
import { Traffic } from "./support/traffic.ts";
import { settled, type TestNode } from "./support/test_node.ts";
import { Workspace } from "./support/workspace.ts";

Deno.test("ring of three given kill -9 of one under load, then stops nothing and loses no acknowledged key", async () => {
  await Workspace.run(async (work) => {
    const ring = await work.ring(3);
    const [first, second, victim] = ring as [TestNode, TestNode, TestNode];
    const traffic = Traffic.start([first, second, victim]);
    await traffic.more(150);
    await victim.kill();
    // From here on only the two that live are asked; what the dead one had not answered has an unknown outcome.
    traffic.askOnly([first, second]);
    await traffic.more(150);
    const acknowledged = await traffic.stop();
    assertEquals(traffic.failures, []);

    for (const node of [first, second]) {
      assertEquals(await missing(node, acknowledged), []);
      assertEquals(await unlisted(node, acknowledged), []);
    }
    const { warnings } = await eventually("it is known to be down", async () => {
      const status = await first.status();
      return status.nodes.some((node) => node.address === victim.address && !node.reachable) && status;
    });
    assertEquals(warnings.some((warning) => warning.includes(victim.address)), true);

    victim.restart();
    await settled(ring);
    assertEquals(await missing(victim, acknowledged), []);
    // It fetches what it missed by itself.
    await eventually(
      "the restarted node has its own copy of every key",
      async () => (await missing(victim, acknowledged, "?consistency=local")).length === 0,
    );
  });
});

Deno.test("ring of three given kill -9 of all under load, then has every acknowledged key after a start", async () => {
  await Workspace.run(async (work) => {
    const ring = await work.ring(3);
    const traffic = Traffic.start(ring);
    await traffic.more(200);
    await Promise.all(ring.map((node) => node.kill()));
    const acknowledged = await traffic.stop();
    for (const node of ring) node.restart();
    await settled(ring);
    for (const node of ring) assertEquals(await missing(node, acknowledged), []);
  });
});

/** Keys that the node answers otherwise than with their acknowledged values. */
async function missing(
  node: TestNode,
  acknowledged: ReadonlyMap<string, string>,
  query = "",
): Promise<string[]> {
  const answers = await Promise.all(
    [...acknowledged].map(async ([key, value]) => [key, value, (await node.get(key, query)).text]),
  );
  return answers.filter(([, value, text]) => text !== value).map(([key]) => key!);
}

async function unlisted(node: TestNode, acknowledged: ReadonlyMap<string, string>): Promise<string[]> {
  const listed = new Set(await node.keys());
  return [...acknowledged.keys()].filter((key) => !listed.has(key));
}
