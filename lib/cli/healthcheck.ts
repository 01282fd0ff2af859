/**
 * For the health check of a container: exit code 0 if the node in it is alive, 1 if not.
 *
 * It asks on the loopback address, so the node must listen there, as it does on 0.0.0.0.
 */
import { DEFAULT_PORT } from "../address.ts";

/** Shorter than the time-out of the check, so that it can say what was wrong. */
const TIMEOUT_MS = 5_000;

const url = `http://127.0.0.1:${Deno.env.get("MYDHT_PORT") || DEFAULT_PORT}/healthz`;
try {
  const { ok, status } = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!ok) console.error(`${url} answers ${status}`);
  Deno.exit(ok ? 0 : 1);
} catch (error) {
  console.error(`${url} does not answer: ${error instanceof Error ? error.message : error}`);
  Deno.exit(1);
}
