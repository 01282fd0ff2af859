/** Bugs of how a node serves requests, for `mutants.ts`. */
import { Coordinator } from "../../lib/node/coordinator.ts";
import type { Storage } from "../../lib/node/storage.ts";
import type { Transport } from "../../lib/ports/transport.ts";
import { type Call, decodeRequest, encodeReply } from "../../lib/wire.ts";
import type { Host } from "./host.ts";

/** Makes strong writes as all others: stamped again where an owner holds something greater. Returns how to end that. */
export function restampStrongWrites(): () => void {
  const { write } = Coordinator.prototype;
  Coordinator.prototype.write = function (place, make, options = {}) {
    const { consistency } = options;
    const ordinary = { ...options, consistency: consistency === "strong" ? "quorum" : consistency } as const;
    return write.call(this, place, make, ordinary);
  };
  return () => Coordinator.prototype.write = write;
}

/** The deletion that ends an expired value is stamped by the clock of the node that holds it, as any other. */
export function stampEnds(storage: Storage, host: Host): void {
  const write = storage.write.bind(storage);
  storage.write = (request) => {
    const { encoded: _, ...rest } = request;
    const { record } = rest;
    if (record.kind === "value" || !record.expired) return write(request);
    const version = { ...record.version, wallMs: host.nowMs() };
    return write({ ...rest, record: { kind: "tombstone", version, expired: false } });
  };
}

/** A transport over which owners that cannot be reached seem to agree: as if they were not counted. */
export function withoutAbsent(transport: Transport): Transport {
  return {
    async call(address, message, options) {
      const { calls } = decodeRequest(message);
      try {
        return await transport.call(address, message, options);
      } catch (error) {
        const answers = calls.map(agreeing);
        if (answers.includes(undefined)) throw error;
        return encodeReply({
          kind: "results",
          outcomes: answers.map((answer) => ({ ok: true, answer })),
        }, calls);
      }
    },
  };
}

function agreeing({ op, ask }: Call): object | undefined {
  if (op === "write") return { kind: "stored", held: undefined, hadValue: false };
  if (op === "read") return { record: undefined };
  if (op !== "heads") return undefined;
  const { items } = ask as { readonly items: readonly unknown[] };
  return { heads: items.map(() => undefined), floors: [] };
}
