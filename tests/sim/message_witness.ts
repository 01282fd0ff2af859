import { encodeHex } from "@std/encoding/hex";
import { hash128 } from "../../lib/core/hash.ts";
import type { Tampering } from "./host.ts";

/**
 * Sees what nodes send and what nodes are given to answer, and says where the two differ: a message that nobody
 * sent to that node, or more often than it was sent, and a reply that is none to the message it was taken for.
 */
export class MessageWitness {
  readonly violations: string[] = [];
  readonly #sent = new Map<string, number>();
  readonly #replies = new Map<string, Set<string>>();
  /** Messages that nodes were given. */
  acted = 0;

  /** What a simulation must be made with. */
  get tampering(): Tampering {
    return {
      transport: (transport) => ({
        call: async (address, message, options) => {
          const id = `${address} ${digest(message)}`;
          this.#sent.set(id, (this.#sent.get(id) ?? 0) + 1);
          const reply = await transport.call(address, message, options);
          if (this.#replies.get(id)?.has(digest(reply)) !== true) {
            this.violations.push(`a call of ${address} took a reply that is none to it`);
          }
          return reply;
        },
      }),
      receive: (receive, host) => async (message) => {
        const id = `${host.address} ${digest(message)}`;
        const left = (this.#sent.get(id) ?? 0) - 1;
        this.#sent.set(id, left);
        this.acted++;
        if (left < 0) {
          this.violations.push(`${host.address} acted on a message that was not sent to it, or again`);
        }
        const reply = await receive(message);
        const replies = this.#replies.get(id) ?? new Set();
        this.#replies.set(id, replies.add(digest(reply)));
        return reply;
      },
    };
  }
}

function digest(bytes: Uint8Array): string {
  return encodeHex(hash128(bytes));
}
