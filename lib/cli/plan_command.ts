import type { MovedAnswer, PlanAnswer } from "../api.ts";
import { EXIT, UsageError } from "./failures.ts";
import { bytesText, countText, visible } from "./format.ts";
import { nodeName } from "./ring_commands.ts";
import type { Session } from "./session.ts";
import { type Column, tabbedLine, tableLines } from "./table.ts";

/** `plan`: what a change of the ring would move. */
export async function plan(session: Session): Promise<number> {
  const answer = await session.client().plan(planQuery(session));
  if (session.has("json")) await session.print(JSON.stringify(answer));
  else await printPlan(session, answer);
  return answer.obstacles.length === 0 ? EXIT.ok : EXIT.failed;
}

function planQuery(session: Session): Record<string, string> {
  const query: Record<string, string> = { change: session.required("CHANGE") };
  if (session.value("key") !== undefined) query["node"] = nodeName(session);
  const weight = session.value("weight");
  if (weight !== undefined) query["weight"] = checkedWeight(weight);
  const zone = session.value("zone");
  if (zone !== undefined) query["zone"] = zone;
  return query;
}

function checkedWeight(text: string): string {
  const weight = /^\d{1,3}(\.\d{1,4})?$/.test(text) ? Number(text) : 0;
  if (weight >= 0.01 && weight <= 100) return text;
  throw new UsageError(`"${text}" is not a weight: 0.01 to 100`);
}

const NODE_COLUMNS: readonly Column[] = [
  { title: "NODE" },
  { title: "BEFORE", align: "right" },
  { title: "AFTER", align: "right" },
  { title: "GAINS", align: "right" },
  { title: "LOSES", align: "right" },
  { title: "FETCHES", align: "right" },
  { title: "SHARE", align: "right" },
];

const MOVE_COLUMNS: readonly Column[] = [
  { title: "FROM" },
  { title: "TO" },
  { title: "PARTITIONS", align: "right" },
  { title: "BYTES", align: "right" },
];

async function printPlan(session: Session, answer: PlanAnswer): Promise<void> {
  for (const line of planLines(answer)) await session.print(line);
  const nodes = answer.nodes.map((node) => [
    node.zone === undefined ? node.address : `${node.address} (${node.zone})`,
    String(node.before),
    String(node.after),
    String(node.gained.partitions),
    String(node.lost),
    movedText(node.gained),
    percentText(node.share),
  ]);
  await printTable(session, NODE_COLUMNS, nodes);
  if (answer.moves.length === 0) return;
  const moves = answer.moves.map(({ from, to, ...moved }) => [
    from === "" ? "nobody who answers" : from,
    to,
    String(moved.partitions),
    movedText(moved),
  ]);
  await printTable(session, MOVE_COLUMNS, moves);
}

/** What a plan comes to, in sentences. */
function planLines(answer: PlanAnswer): string[] {
  const { kind, address, total, zones } = answer;
  const moves = total.partitions === 0
    ? "nothing moves"
    : `${countText(total.partitions, "copy", "copies")} of partitions move, ${movedText(total)}`;
  const facts: [string, string][] = [
    ["plan", `${kind} ${address}: ${moves}; nothing has been changed`],
    ...zones.map((
      { zone, share },
    ): [string, string] => ["zone", `${zone} then has ${percentText(share)} of all`]),
    ...answer.warnings.map((warning): [string, string] => ["note", warning]),
    ...answer.obstacles.map((obstacle): [string, string] => ["not now", obstacle]),
  ];
  return facts.map(([name, text]) => `${name}  ${visible(text)}`);
}

async function printTable(session: Session, columns: readonly Column[], rows: string[][]): Promise<void> {
  await session.print("");
  const lines = session.io.stdout.isTerminal() ? await tableLines(columns, rows) : rows.map(tabbedLine);
  for (const line of lines) await session.print(line);
}

function movedText({ bytes, unknown }: MovedAnswer): string {
  return unknown === 0 ? bytesText(bytes) : `${bytesText(bytes)} or more`;
}

function percentText(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
