import { STATUS_CODE } from "@std/http/status";

/** Headers of everything that is not a value. */
const PLAIN_HEADERS = { "cache-control": "no-store", "x-content-type-options": "nosniff" };

const ENCODER = new TextEncoder();

/** A JSON body. `T` is one of the types of `lib/api.ts`. */
export function json<T>(
  answer: T,
  init: { status?: number; headers?: Record<string, string> } = {},
): Response {
  return text(JSON.stringify(answer), "application/json", init);
}

/**
 * The JSON answer to a change: nobody stores or shows it, so it has no headers against that, and the server itself
 * writes its length.
 */
export function answerOf<T>(answer: T, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(answer), {
    headers: { "content-type": "application/json", ...headers },
  });
}

/** A body of text, with its length known, so that HEAD tells it too. */
export function text(
  body: string,
  contentType: string,
  init: { status?: number; headers?: Record<string, string> } = {},
): Response {
  const bytes = ENCODER.encode(body);
  return new Response(bytes, {
    status: init.status ?? STATUS_CODE.OK,
    headers: {
      ...PLAIN_HEADERS,
      "content-type": contentType,
      "content-length": `${bytes.length}`,
      ...init.headers,
    },
  });
}

/** The same answer to HEAD: all of it but the body. */
export function withoutBody(response: Response): Response {
  if (response.body === null) return response;
  return new Response(null, { status: response.status, headers: response.headers });
}
