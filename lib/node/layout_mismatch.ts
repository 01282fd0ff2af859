import { DhtError } from "../core/errors.ts";

/** What work ends with that the layouts have overtaken: it begins anew. */
export function layoutsChanged(): DhtError {
  return new DhtError("layout_mismatch", "Cannot go on: the layouts changed meanwhile");
}

/** Whether what a peer asked for was refused because the ring has moved on: the work begins anew. */
export function isLayoutMismatch(error: unknown): boolean {
  return error instanceof DhtError && error.code === "layout_mismatch";
}
