import { isBlockedPort } from "../../../lib/address.ts";

/** Below those that systems give to outgoing connections: a node that restarts must find its port free again. */
const FIRST_PORT = 20_000;
const LAST_PORT = 31_999;
const given = new Set<number>();

/** Ports next to each other on which nothing listens, on both loopback addresses, and that `fetch` connects to. */
export function freePorts(count: number): number[] {
  for (let tries = 0; tries < 1_000; tries++) {
    const first = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT - count));
    const ports = Array.from({ length: count }, (_, i) => first + i);
    if (!ports.every((port) => !given.has(port) && !isBlockedPort(port) && isFree(port))) continue;
    for (const port of ports) given.add(port);
    return ports;
  }
  throw new Error(`No ${count} free ports from ${FIRST_PORT} to ${LAST_PORT}`);
}

/** One of `freePorts()`. */
export function freePort(): number {
  return freePorts(1)[0]!;
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    Deno.listen({ hostname: "::1", port }).close();
    return true;
  } catch (error) {
    // A machine without IPv6 has no second address to be in use.
    return !(error instanceof Deno.errors.AddrInUse) && !(error instanceof Deno.errors.PermissionDenied);
  }
}
