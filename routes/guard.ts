import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { DhtError } from "../lib/core/errors.ts";
import { sha256 } from "../lib/sha256.ts";
import type { RouteDeps } from "./call.ts";
import { HttpProblem } from "./problem.ts";
import type { Target } from "./target.ts";

const LOOPBACK_AUTHORITY = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i;

/**
 * Refuses a request whose Host is not this node's while only this machine can connect.
 *
 * A page of a stranger can point a name of its own at 127.0.0.1 and then speak to this node as that name
 * (DNS rebinding); the name in Host is what gives it away.
 *
 * @throws {HttpProblem} `invalid_host`, `unknown_host`
 */
export function checkHost(request: Request, target: Target, deps: RouteDeps): void {
  const host = request.headers.get("host");
  // They differ where the request line names another server, or where Host holds a "/" that moved the path.
  if (host !== null && host !== "" && host !== target.authority) {
    throw new HttpProblem("invalid_host", "Cannot tell which server is meant: Host and URL differ");
  }
  if (!deps.loopbackOnly || target.authority === deps.selfAddress) return;
  if (LOOPBACK_AUTHORITY.test(target.authority)) return;
  throw new HttpProblem("unknown_host", `Cannot answer for ${target.authority}: this node has another name`);
}

/**
 * Refuses a change that a page of another site asked a browser for.
 *
 * The same host over https is not another site: a proxy in front may have taken TLS off.
 *
 * @throws {HttpProblem} `foreign_origin`
 */
export function checkOrigin(request: Request, target: Target): void {
  const origin = request.headers.get("origin");
  if (origin === null) return;
  if (origin === `${target.scheme}://${target.authority}` || origin === `https://${target.authority}`) return;
  throw new HttpProblem("foreign_origin", "Cannot change anything for a page of another origin", {
    facts: { origin: origin.slice(0, 256) },
  });
}

/** Tells whether a request carries the ring's secret; everything does where there is none. */
export type SecretCheck = (request: Request) => void;

/**
 * Makes the check of the secret. It takes as long for a wrong secret as for the right one.
 *
 * @returns A check that throws `DhtError` `unauthorized`.
 */
export function secretCheck(secret: string | undefined): SecretCheck {
  if (secret === undefined) return () => {};
  const expected = sha256(secret);
  return (request) => {
    const given = /^bearer +(.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    if (given === undefined) {
      throw new DhtError("unauthorized", "Cannot do this without the ring's secret: none was sent");
    }
    // Hashes have one length, so that comparing them tells nothing of the secret's.
    if (!timingSafeEqual(sha256(given), expected)) {
      throw new DhtError("unauthorized", "Cannot do this without the ring's secret: a wrong one was sent");
    }
  };
}
