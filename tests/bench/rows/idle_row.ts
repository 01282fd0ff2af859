import { pause } from "../../e2e/support/eventually.ts";
import { CountingProxy } from "../counting_proxy.ts";
import { samplesOf } from "../figures.ts";
import { fill } from "../loader.ts";
import { processUse } from "../proc.ts";
import { drawKeys, readBackSentence } from "../readback.ts";
import { atMost, measure } from "../report.ts";
import { keyName } from "../requests.ts";
import { manyKeys, NotMeasuredError, type Row, type RowContext, type RowResult } from "../row.ts";
import { OurRing } from "../sides.ts";

/** Longer than it takes to apply the journal, to compare all with the other owners, and to verify the disk once. */
const SETTLE_MS = 240_000;
const QUICK_SETTLE_MS = 10_000;
const WINDOW_MS = 120_000;
const QUICK_WINDOW_MS = 10_000;

/** What a ring costs that nobody uses. */
export const IDLE_ROW: Row = {
  name: "idle",
  work:
    "three nodes with 1,000,000 keys (--quick: 100,000) and no requests; each reached by the others through a proxy that counts " +
    "bytes, both ways",
  run: runIdle,
};

async function runIdle(context: RowContext): Promise<RowResult> {
  const { arena, quick, print } = context;
  const proxies = new Map<number, CountingProxy>();
  try {
    const ring = await OurRing.start(arena, (port) => {
      if (!proxies.has(port)) proxies.set(port, new CountingProxy(() => port));
      return proxies.get(port)!.port;
    });
    const keys = manyKeys(context);
    const { perSecond } = await fill(ring, keys);
    print(`${keys} keys loaded at ${Math.round(perSecond)}/s`);
    await pause(quick ? QUICK_SETTLE_MS : SETTLE_MS);
    const windowMs = quick ? QUICK_WINDOW_MS : WINDOW_MS;
    const before = look(ring, proxies);
    await pause(windowMs);
    const after = look(ring, proxies);
    const seconds = windowMs / 1000;
    return {
      measures: [
        measure({
          what: "CPU of the busiest node, of one core",
          unit: "%",
          ours: samplesOf([Math.max(...after.cpu.map((cpu, i) => cpu - before.cpu[i]!)) / seconds * 100]),
          target: (_, ours) => atMost(ours, 2, "2 %"),
        }),
        measure({
          what: "network, per node",
          unit: "KiB/s",
          ours: samplesOf([(after.bytes - before.bytes) / ring.nodes.length / seconds / 1024]),
          target: (_, ours) => atMost(ours, 4, "4 KiB/s"),
        }),
      ],
      commands: [],
      notes: [
        `Looked at for ${seconds} s, ${(quick ? QUICK_SETTLE_MS : SETTLE_MS) / 1000} s after the last write.`,
        await readBackSentence(ring, drawKeys(keys, keyName)),
      ],
    };
  } finally {
    for (const proxy of proxies.values()) proxy[Symbol.dispose]();
  }
}

function look(
  ring: OurRing,
  proxies: ReadonlyMap<number, CountingProxy>,
): { readonly cpu: readonly number[]; readonly bytes: number } {
  const cpu = ring.pids.map((pid) => processUse([pid])?.cpuSeconds);
  if (cpu.includes(undefined)) throw new NotMeasuredError("what a process uses can be seen on Linux only");
  const bytes = [...proxies.values()].reduce((sum, proxy) => sum + proxy.bytes, 0);
  return { cpu: cpu as number[], bytes };
}
