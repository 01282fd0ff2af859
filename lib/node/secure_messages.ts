import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Transport } from "../ports/transport.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import { type Gate, plainOnly, type Receive, SessionGuard } from "./session_guard.ts";
import { Sessions } from "./sessions.ts";

/** Both ends of a node's messages to its peers. */
export interface MessageEnds {
  /** For the node to send by. */
  readonly transport: Transport;
  /** What the network calls in place of the node's own `receive`. */
  guard(receive: Receive): Gate;
}

/** The ends of a node: framed where its ring has a secret, plain where it has none. */
export function messageEnds(deps: {
  readonly secret: string | undefined;
  readonly transport: Transport;
  readonly keeper: RingKeeper;
  readonly clock: Clock;
  readonly random: Random;
}): MessageEnds {
  const { secret, transport, keeper, clock, random } = deps;
  if (secret === undefined) return { transport, guard: plainOnly };
  const self = keeper.self.address;
  // A node that joins may know the first one by an alias; members are known by their own names.
  const mustBe = (address: string) => keeper.inRing && keeper.state.members.has(address);
  return {
    transport: new Sessions({ transport, secret, self, clock, random, mustBe }),
    guard: (receive) => new SessionGuard({ secret, self, clock, random, receive }),
  };
}
