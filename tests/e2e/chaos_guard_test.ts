import { assertEquals } from "@std/assert";
import { Child } from "./support/child.ts";
import { Guard } from "../chaos/guard.ts";

Deno.test("guard given the end of a run, then kills the groups that are left and deletes their data", async () => {
  const directory = await Deno.makeTempDir({ prefix: "mydht-guard-" });
  try {
    await Deno.mkdir(`${directory}/data/one`, { recursive: true });
    const guard = new Guard(`${directory}/data`);
    const [left, ended] = ["left", "ended"].map((name) =>
      new Child({ command: ["sleep", "60"], cwd: directory, logs: `${directory}/${name}`, ownGroup: true })
    );
    await guard.began(left!.pid);
    await guard.began(ended!.pid);
    // Its id may be another's by now.
    await guard.ended(ended!.pid);
    await guard.end();
    assertEquals([await left!.exit(), ended!.exitCode], [137, undefined]);
    assertEquals(Array.from(Deno.readDirSync(directory), ({ name }) => name).includes("data"), false);
    await ended!.kill();
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
