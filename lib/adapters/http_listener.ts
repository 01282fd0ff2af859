import { sentence } from "../core/errors.ts";
import { Drain } from "./drain.ts";

/** Answers a request, at once where it can: a promise costs the server more than a small answer. */
export type Handler = (request: Request, sender: Sender) => Response | Promise<Response>;

/** Who sent a request; to be asked before the answer is given. */
export interface Sender {
  /** Its IP address, as far as the server knows. */
  readonly address: string | undefined;
}

/** Where a server listens. */
export interface ListenAddress {
  /** `localhost` is both loopback addresses. */
  readonly host: string;
  readonly port: number;
}

/** The server could not listen, for a reason its user can mend; the message is a sentence. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** Looks the address up when it is asked for: hardly any request is logged. */
class SenderOf implements Sender {
  readonly #info: Deno.ServeHandlerInfo<Deno.NetAddr>;

  constructor(info: Deno.ServeHandlerInfo<Deno.NetAddr>) {
    this.#info = info;
  }

  get address(): string {
    return this.#info.remoteAddr.hostname;
  }
}

/** A server over HTTP, on one address or two. */
export class HttpListener {
  readonly #drain = new Drain();
  readonly #servers: readonly Deno.HttpServer[];

  /**
   * Listens at once.
   *
   * @throws {ListenError} If it cannot.
   */
  constructor(address: ListenAddress, handler: Handler) {
    this.#servers = listen(
      address,
      (request, info) => this.#drain.run(() => handler(request, new SenderOf(info))),
    );
  }

  /**
   * Stops serving once all requests are answered.
   *
   * @param deadline Ends the waiting for them.
   */
  async stop(deadline: Promise<unknown>): Promise<void> {
    const answered = this.#drain.end().then(() =>
      Promise.all(this.#servers.map((server) => server.shutdown()))
    );
    await Promise.race([answered, deadline]);
  }
}

/** A machine without IPv6 has only the first of the loopback addresses. */
function listen(
  { host, port }: ListenAddress,
  handler: Deno.ServeHandler<Deno.NetAddr>,
): Deno.HttpServer[] {
  const hosts = host === "localhost" ? ["127.0.0.1", "::1"] : [host];
  const servers: Deno.HttpServer[] = [];
  for (const hostname of hosts) {
    try {
      const options = { hostname, port, onListen: () => {} };
      servers.push(Deno.serve(options, handler));
    } catch (error) {
      if (hostname === "::1" && !(error instanceof Deno.errors.AddrInUse)) continue;
      throw explained(host, port, error);
    }
  }
  return servers;
}

function explained(host: string, port: number, error: unknown): ListenError {
  if (error instanceof Deno.errors.AddrInUse) {
    return new ListenError(
      `Port ${port} on ${host} is in use by another program; choose another with --port`,
    );
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new ListenError(`Port ${port} may not be opened by this user; choose one above 1023 with --port`);
  }
  return new ListenError(
    `Cannot listen on ${host}:${port}: ${sentence(error)}`,
    {
      cause: error,
    },
  );
}
