import { assert } from "@std/assert";
import { MUTANTS } from "./mutants.ts";
import { runSeed } from "./swarm.ts";

for (const { name, breaks, options, within } of MUTANTS) {
  Deno.test(`checkers given a node that ${name}, then they find that ${breaks} is broken`, async () => {
    let found: string | undefined;
    let seed = 0;
    while (found === undefined && seed < within) {
      [found] = (await runSeed(++seed, options)).violations;
    }
    assert(found !== undefined, `not found within ${within} seeds`);
    console.log(`found by seed ${seed}: ${found.split("\n")[0]}`);
  });
}
