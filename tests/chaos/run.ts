import { SeededRandom } from "../support/seeded_random.ts";
import { audit } from "./audit.ts";
import { Clients, Witness } from "./clients.ts";
import { Fleet } from "./fleet.ts";
import { Guard } from "./guard.ts";
import { LargeTraffic } from "./large_traffic.ts";
import { Nemesis } from "./nemesis.ts";
import type { ChaosOptions } from "./options.ts";
import { keyLines, reportLines, storyLines } from "./report.ts";
import { judge, type Verdict, weaknessesOf } from "./verdict.ts";

/** Share of the runs whose nodes share a secret. */
const WITH_SECRET = 0.5;

/** What a run is told, and tells. */
export interface RunDeps {
  readonly print: (line: string) => void;
  /** Ends the run early. */
  readonly signal: AbortSignal;
}

/**
 * Runs a ring, its clients and its nemesis, checks what the clients saw, and prints it.
 *
 * Whatever happens, no process is left, and no data. Where a promise was broken, the logs of the nodes and the
 * histories of the keys are kept in a directory that is named.
 *
 * @returns Whether all promises were kept, in a run that had something of everything.
 * @throws What `signal` is aborted with.
 */
export async function runChaos(options: ChaosOptions, deps: RunDeps): Promise<boolean> {
  const directory = await Deno.makeTempDir({ prefix: "mydht-chaos-" });
  const guard = new Guard(`${directory}/data`);
  let isGood = false;
  try {
    isGood = await runIn(directory, guard, options, deps);
  } finally {
    await guard.end();
    if (isGood || deps.signal.aborted) await Deno.remove(directory, { recursive: true });
    else deps.print(`Logs and histories are in ${directory}`);
  }
  return isGood;
}

async function runIn(
  directory: string,
  guard: Guard,
  options: ChaosOptions,
  deps: RunDeps,
): Promise<boolean> {
  const random = new SeededRandom(options.seed);
  const { signal, print } = deps;
  const secret = random.fork("secret").chance(WITH_SECRET)
    ? new SeededRandom(options.seed).hex(16)
    : undefined;
  print(
    `${options.nodes} nodes, ${secret === undefined ? "no secret" : "a secret"}, ` +
      `${options.seconds} s; repeat with --seed ${options.seed}`,
  );
  const fleet = await Fleet.start(options.nodes, { directory, secret, guard, signal });
  const witness = new Witness();
  const nemesis = new Nemesis(fleet, random.fork("nemesis"), options.nodes);
  const clients = Clients.start(fleet, witness, random.fork("clients"));
  const large = LargeTraffic.start(fleet, witness, random.fork("large"), options.largeMib);
  const stop = async () => {
    const stopped = Promise.all([clients.stop(), large.stop()]);
    if (!signal.aborted) await stopped;
  };

  let differing: ReadonlyMap<string, string> = new Map();
  let failure: string | undefined;
  try {
    await nemesis.rage(options.seconds * 1000, signal).finally(stop);
    await fleet.healed();
    differing = await audit({ fleet, witness, large, signal });
  } catch (error) {
    signal.throwIfAborted();
    // What clients saw until then is checked all the same.
    failure = error instanceof Error ? error.message : String(error);
  }
  const isLarge = (key: string) => large.keys.has(key);
  const verdict = judge(witness, differing, isLarge);
  const weaknesses = weaknessesOf(witness, isLarge, { ...options, steps: nemesis.taken.length });
  const lines = reportLines(options, { verdict, witness, nemesis, largeValues: large, failure, weaknesses });
  for (const line of lines) print(line);
  const isGood = verdict.violations.length === 0 && failure === undefined && weaknesses.length === 0;
  if (!isGood) await keepEvidence(directory, verdict, witness, nemesis);
  return isGood;
}

async function keepEvidence(
  directory: string,
  verdict: Verdict,
  witness: Witness,
  nemesis: Nemesis,
): Promise<void> {
  const write = (name: string, lines: readonly string[]) =>
    Deno.writeTextFile(`${directory}/${name}`, `${lines.join("\n")}\n`);
  await write("nemesis.txt", storyLines(nemesis));
  await write("violations.txt", verdict.violations.map(({ kind, text }) => `${kind}: ${text}`));
  for (const key of new Set(verdict.violations.map((violation) => violation.key))) {
    if (key === undefined) continue;
    const about = verdict.violations.filter((violation) => violation.key === key);
    await write(`history-${key.replaceAll("/", "-")}.txt`, keyLines(key, about, witness));
  }
}
