import { pause } from "../e2e/support/eventually.ts";
import { HttpConnection } from "./http_connection.ts";
import { keyName, putRequest, valueOf } from "./requests.ts";
import type { Side } from "./sides.ts";

const CONNECTIONS = 96;
/** Answers that ask for patience, one after the other, before a request counts as failed. */
const MAX_TRIES = 200;
const PATIENCE_MS = 50;

/** How fast something was loaded. */
export interface Loaded {
  readonly count: number;
  readonly seconds: number;
  readonly perSecond: number;
}

/** Loads keys into a side, those of the numbers `from` up. */
export function fill(side: Side, keys: number, from = 0): Promise<Loaded> {
  return load(side.ports, keys, (i) => {
    const key = keyName(from + i);
    return putRequest(side.api, key, valueOf(key, "first"));
  });
}

/**
 * Sends requests over many connections to all nodes, as fast as they are answered; each until it is answered well.
 *
 * @param request Bytes of the request of that number, from 0 to `count - 1`.
 * @throws {Error} If one of them is never answered well.
 */
export async function load(
  ports: readonly number[],
  count: number,
  request: (number: number) => Uint8Array,
  connections = CONNECTIONS,
): Promise<Loaded> {
  const beganMs = performance.now();
  let next = 0;
  const work = async (port: number): Promise<void> => {
    using connection = await HttpConnection.open(port);
    while (next < count) await askUntilGood(connection, request(next++));
  };
  await Promise.all(
    Array.from({ length: Math.min(connections, count) }, (_, i) => work(ports[i % ports.length]!)),
  );
  const seconds = (performance.now() - beganMs) / 1000;
  return { count, seconds, perSecond: count / seconds };
}

async function askUntilGood(connection: HttpConnection, request: Uint8Array): Promise<void> {
  for (let tries = 1;; tries++) {
    const { status, body } = await connection.ask(request);
    if (status < 300) return;
    if (tries >= MAX_TRIES || (status < 500 && status !== 429)) {
      throw new Error(`A request of the loader was answered by ${status}: ${new TextDecoder().decode(body)}`);
    }
    await pause(PATIENCE_MS);
  }
}
