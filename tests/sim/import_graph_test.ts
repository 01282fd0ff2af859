/** The simulation runs what `main.ts` runs: whatever that reaches of the node, this reaches, too. */
import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);
/** What a process has and a simulated node does not: the world outside, and the edges towards people. */
const EDGES = [
  "lib/adapters/",
  "routes/",
  "lib/cli/",
  "lib/address.ts",
  "lib/api.ts",
  "lib/config.ts",
  "lib/isolate.ts",
  "lib/secret.ts",
  "lib/version.ts",
];

/** Modules of the project that a module reaches by imports that are more than types, itself included. */
function reachedFrom(entry: string): Set<string> {
  const reached = new Set<string>();
  const open = [new URL(entry, ROOT)];
  for (let url = open.pop(); url !== undefined; url = open.pop()) {
    const path = url.href.slice(ROOT.href.length);
    if (reached.has(path)) continue;
    reached.add(path);
    for (const specifier of importsOf(Deno.readTextFileSync(url))) open.push(new URL(specifier, url));
  }
  return reached;
}

function importsOf(source: string): string[] {
  const imports = source.matchAll(/^(?:import|export)\s+(?!type\b)(?:[^;"]*?\sfrom\s+)?"(\.{1,2}\/[^"]+)"/gm);
  return [...imports].map(([, specifier]) => specifier!);
}

Deno.test("simulation given what main.ts reaches of a node, then it reaches all of it, and runs it", () => {
  const real = reachedFrom("main.ts");
  const simulated = reachedFrom("tests/sim/swarm.ts");
  const ofNode = [...real].filter((path) =>
    !EDGES.some((edge) => path.startsWith(edge)) && path !== "main.ts"
  );
  assert(ofNode.includes("lib/node/node.ts") && ofNode.includes("lib/wire.ts") && ofNode.length > 40);
  assertEquals(ofNode.filter((path) => !simulated.has(path)).sort(), []);
});

Deno.test("simulation given its imports, then of the adapters it has the store in memory alone", () => {
  const adapters = [...reachedFrom("tests/sim/swarm.ts")].filter((path) => path.startsWith("lib/adapters/"));
  assertEquals(adapters.includes("lib/adapters/memory_store.ts"), true);
  assertEquals(adapters.filter((path) => /deno_kv|http|system|crypto_random|json_log/.test(path)), []);
});
