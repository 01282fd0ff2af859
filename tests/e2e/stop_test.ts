import { assertEquals, assertMatch } from "@std/assert";
import { eventually } from "./support/eventually.ts";
import { SlowPut } from "./support/slow_put.ts";
import { settled } from "./support/test_node.ts";
import { Workspace } from "./support/workspace.ts";

Deno.test("node given SIGTERM and a start on its data, then finds its ring and keys by itself", async () => {
  await Workspace.run(async (work) => {
    const ring = await work.ring(3);
    const [first, second, third] = ring as [typeof ring[0], typeof ring[0], typeof ring[0]];
    await first.put("before", "1");
    third.child.signal("SIGTERM");
    assertEquals(await third.child.exit(), 0);
    assertEquals((await second.put("during", "2")).status, 200);
    assertEquals((await second.ring()).nodes.length, 3);

    // Without --server: where its ring is, stands in its database.
    third.restart(work.nodeCommand(["--port", `${third.port}`]));
    await settled(ring);
    for (const [key, value] of [["before", "1"], ["during", "2"]] as const) {
      assertEquals((await third.get(key)).text, value);
      await eventually(
        `${key} is on the restarted node`,
        async () => (await third.get(key, "?consistency=local")).text === value,
      );
    }
  });
});

Deno.test("node given SIGTERM during a request, then takes no new ones, finishes it and exits 0", async () => {
  await Workspace.run(async (work) => {
    const node = await work.node().ready();
    const [half, otherHalf] = ["first half, ", "second half"];
    using put = await SlowPut.begin(node.port, "slow", half.length + otherHalf.length);
    await put.send(half);
    node.child.signal("SIGTERM");
    await eventually(
      "it takes no new requests",
      async () => await node.request("/healthz").then(({ status }) => status === 503, () => true),
    );
    assertEquals(node.child.exitCode, undefined);
    await put.send(otherHalf);
    assertEquals(await put.answer(), "HTTP/1.1 200 OK");
    assertEquals(await node.child.exit(), 0);

    node.restart();
    assertEquals((await (await node.ready()).get("slow")).text, half + otherHalf);
  });
});

Deno.test("last node of a ring given Ctrl-C, then stops and keeps its data", async () => {
  await Workspace.run(async (work) => {
    const node = await work.node().ready();
    await node.put("a", "b");
    const { ring } = await node.ring();
    node.child.signal("SIGINT");
    assertEquals(await node.child.exit(), 0);
    node.restart();
    await node.ready();
    assertEquals((await node.ring()).ring, ring);
    assertEquals((await node.get("a")).text, "b");
  });
});

Deno.test("node given Ctrl-C twice within a second, then leaves all the same", async () => {
  await Workspace.run(async (work) => {
    const [first, second] = await work.ring(2);
    second!.child.signal("SIGINT");
    second!.child.signal("SIGINT");
    assertEquals(await second!.child.exit(), 0);
    await eventually("it has left", async () => (await first!.ring()).nodes.length === 1);
  });
});

Deno.test("node that cannot leave given a second Ctrl-C, then ends at once and stays in the ring", async () => {
  await Workspace.run(async (work) => {
    const [first, second, third] = await work.ring(3);
    // With a node of the ring dead, not all can report that they have taken over.
    await third!.kill();
    second!.child.signal("SIGINT");
    await second!.logged(/Leaving the ring/);
    await eventually("a second Ctrl-C ends it", () => {
      second!.child.signal("SIGINT");
      return second!.child.exitCode !== undefined;
    });
    assertEquals(second!.child.exitCode, 130);
    assertMatch(await second!.child.stderr(), /Stopping at once/);

    second!.restart();
    third!.restart();
    await settled([first!, second!, third!]);
  });
});
