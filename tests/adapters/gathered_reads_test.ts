import { assertEquals, assertRejects } from "@std/assert";
import { GatheredReads } from "../../lib/adapters/gathered_reads.ts";
import type { StoreKey } from "../../lib/ports/store.ts";

/** Reads of at most four keys a call, whose calls end when told. */
class Fixture {
  readonly calls: { readonly keys: string[]; readonly end: (error?: Error) => void }[] = [];
  readonly reads = new GatheredReads<string>(4, (keys: StoreKey[]) => {
    return new Promise((resolve, reject) => {
      const names = keys.map(String);
      this.calls.push({
        keys: names,
        end: (error) => error === undefined ? resolve(names.map((name) => `of ${name}`)) : reject(error),
      });
    });
  });

  read(...names: string[]): Promise<string[]> {
    return this.reads.read(names.map((name) => [name]));
  }

  get asked(): string[][] {
    return this.calls.map(({ keys }) => keys);
  }
}

const turn = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("GatheredReads given reads in one turn, then they share calls, each read in one, and get their own", async () => {
  const fixture = new Fixture();
  const reads = [fixture.read("a"), fixture.read("b", "c"), fixture.read("d", "e"), fixture.read("f")];
  await turn();
  assertEquals(fixture.asked, [["a", "b", "c"], ["d", "e", "f"]]);
  for (const { end } of fixture.calls) end();
  assertEquals(await Promise.all(reads), [["of a"], ["of b", "of c"], ["of d", "of e"], ["of f"]]);
});

Deno.test("GatheredReads given four calls are under way, then what comes gathers for the next", async () => {
  const fixture = new Fixture();
  const reads: Promise<string[]>[] = [];
  for (const name of ["a", "b", "c", "d", "e", "f"]) {
    reads.push(fixture.read(name));
    await turn();
  }
  assertEquals(fixture.asked, [["a"], ["b"], ["c"], ["d"]]);
  fixture.calls[2]!.end();
  await turn();
  assertEquals(fixture.asked.at(-1), ["e", "f"]);
  for (const { end } of fixture.calls) end();
  assertEquals((await Promise.all(reads)).flat(), ["of a", "of b", "of c", "of d", "of e", "of f"]);
});

Deno.test("GatheredReads given a call fails, then its reads do, and those that wait are read", async () => {
  const fixture = new Fixture();
  const failing = [fixture.read("a", "b"), fixture.read("c")];
  const failed = failing.map((read) => assertRejects(() => read, Error, "broken"));
  await turn();
  const other = fixture.read("d");
  fixture.calls[0]!.end(new Error("broken"));
  await Promise.all(failed);
  await turn();
  fixture.calls[1]!.end();
  assertEquals(await other, ["of d"]);
});
