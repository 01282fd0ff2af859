import { samplesOf } from "../figures.ts";
import { HttpConnection } from "../http_connection.ts";
import { fill, load } from "../loader.ts";
import { drawKeys, readBackSentence } from "../readback.ts";
import { atLeast, atMost, measure } from "../report.ts";
import { keyName, putRequest, valueOf } from "../requests.ts";
import { manyKeys, type Row, type RowContext, type RowResult } from "../row.ts";
import { OurRing } from "../sides.ts";

const PAGE = 1_000;
const FEW = 100;
const FEW_PREFIX = "few-";
const PREFIX_LOOKS = 20;

/** Names of all keys, and of a few. */
export const LIST_ROW: Row = {
  name: "list",
  work: "1,000,000 keys (--quick: 100,000) by pages of 1,000; then one prefix of 100 keys among them",
  run: runList,
};

async function runList(context: RowContext): Promise<RowResult> {
  const { arena, rounds, print } = context;
  const ring = await OurRing.start(arena);
  const keys = manyKeys(context);
  const { perSecond } = await fill(ring, keys);
  print(`${keys} keys loaded at ${Math.round(perSecond)}/s`);
  await load(ring.ports, FEW, (i) => putRequest("mydht", `${FEW_PREFIX}${i}`, valueOf("few", "l")));
  using connection = await HttpConnection.open(ring.ports[0]!);
  const rates: number[] = [];
  const pagesMs: number[] = [];
  const wrong: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const beganMs = performance.now();
    const found = await listAll(connection, "");
    rates.push(found / (performance.now() - beganMs) * 1000);
    print(`round ${round + 1} of ${rounds}: ${found} keys at ${Math.round(rates.at(-1)!)}/s`);
    if (found !== keys + FEW) wrong.push(`WRONG: ${found} keys were listed of ${keys + FEW}.`);
    for (let i = 0; i < PREFIX_LOOKS; i++) {
      const lookedMs = performance.now();
      const few = await listAll(connection, FEW_PREFIX);
      pagesMs.push(performance.now() - lookedMs);
      if (few !== FEW) wrong.push(`WRONG: ${few} keys were listed of the prefix that has ${FEW}.`);
    }
  }
  return {
    measures: [
      measure({
        what: "keys listed",
        unit: "/s",
        ours: samplesOf(rates),
        target: (_, ours) => atLeast(ours, 60_000, "60,000/s"),
      }),
      measure({
        what: "a prefix of 100",
        unit: "ms",
        ours: samplesOf(pagesMs),
        target: (_, ours) => atMost(ours, 10, "10 ms"),
      }),
    ],
    commands: [`curl 'http://127.0.0.1:${ring.ports[0]}/keys?limit=${PAGE}&after=...'`],
    notes: [
      `Loaded at ${Math.round(perSecond)} keys/s, by 96 connections to all three nodes.`,
      ...new Set(wrong),
      await readBackSentence(ring, drawKeys(keys, keyName)),
    ],
  };
}

/** Asks for page after page; returns how many keys there were. */
async function listAll(connection: HttpConnection, prefix: string): Promise<number> {
  const text = new TextDecoder();
  let found = 0;
  for (let after: string | null = "";;) {
    const query = new URLSearchParams({ prefix, limit: `${PAGE}`, ...(after === "" ? {} : { after }) });
    const request = `GET /keys?${query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
    const { status, body } = await connection.ask(new TextEncoder().encode(request));
    if (status !== 200) throw new Error(`A page was answered by ${status}: ${text.decode(body)}`);
    const page: { keys: unknown[]; next: string | null } = JSON.parse(text.decode(body));
    found += page.keys.length;
    after = page.next;
    if (after === null) return found;
  }
}
