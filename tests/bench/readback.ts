import { HttpConnection } from "./http_connection.ts";
import { type Api, getRequest, isValueOf, readValue } from "./requests.ts";
import type { Side } from "./sides.ts";

/** Keys that are read back after a row. */
export const READ_BACK = 100;

/** What was found when keys were read back. */
export interface ReadBack {
  readonly keys: number;
  /** What is wrong, one sentence each; empty where every node had every key, whole, and all the same. */
  readonly wrong: readonly string[];
}

/** A store whose keys are read back. */
export interface ReadBackFrom {
  readonly api: Api;
  readonly ports: readonly number[];
  /** Of the reads. */
  readonly query: string;
}

/** Reads keys at every node: each must have the same value, and one that was written to that key. */
export async function readBack(
  { api, ports, query }: ReadBackFrom,
  keys: readonly string[],
): Promise<ReadBack> {
  const wrong: string[] = [];
  const connections = await Promise.all(ports.map((port) => HttpConnection.open(port)));
  try {
    for (const key of keys) {
      const answers = await Promise.all(connections.map((one) => one.ask(getRequest(api, key, query))));
      const found = answers.map(({ status, body }) =>
        status === 200 ? readValue(api, body) : `status ${status}`
      );
      const complaint = complaintAbout(key, found);
      if (complaint !== undefined) wrong.push(complaint);
    }
  } finally {
    for (const connection of connections) connection[Symbol.dispose]();
  }
  return { keys: keys.length, wrong };
}

/** Reads keys back at all nodes of a side, and says in one sentence what came of it. */
export async function readBackSentence(side: Side, names: readonly string[]): Promise<string> {
  const { wrong } = await readBack({ api: side.api, ports: side.ports, query: side.readBackQuery }, names);
  const what = `${side.name}: ${names.length} random keys read back at each of ${side.ports.length} nodes`;
  return wrong.length === 0
    ? `${what}, all right.`
    : `${what}, ${wrong.length} WRONG: ${wrong.slice(0, 3).join("; ")}.`;
}

/** What is wrong with what the nodes answered for a key. */
export function complaintAbout(key: string, found: readonly (string | undefined)[]): string | undefined {
  if (new Set(found).size !== 1) return `${key} differs: ${found.join(" | ")}`;
  const [value] = found;
  if (value === undefined) return `${key} is not there`;
  return isValueOf(key, value) ? undefined : `${key} is not what was written: ${value}`;
}

/** Draws keys to be read back. */
export function drawKeys(count: number, name: (number: number) => string): string[] {
  return Array.from({ length: Math.min(READ_BACK, count) }, () => name(Math.floor(Math.random() * count)));
}
