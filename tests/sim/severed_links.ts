import { DhtError } from "../../lib/core/errors.ts";
import type { Tampering } from "./host.ts";

/** Connections that a story breaks and mends by hand: a call over a broken one fails at once. */
export class SeveredLinks {
  readonly #severed = new Set<string>();

  /** Breaks the connection of two nodes, both ways. */
  sever(a: { readonly address: string }, b: { readonly address: string }): void {
    this.#severed.add(`${a.address} ${b.address}`).add(`${b.address} ${a.address}`);
  }

  /** Mends all connections. */
  mend(): void {
    this.#severed.clear();
  }

  /** What a simulation must be made with. */
  get tampering(): Tampering {
    return {
      transport: (transport, host) => ({
        call: async (address, message, options) => {
          if (this.#severed.has(`${host.address} ${address}`)) {
            throw new DhtError("peer_unreachable", `Cannot reach ${address}: severed`);
          }
          return await transport.call(address, message, options);
        },
      }),
    };
  }
}
