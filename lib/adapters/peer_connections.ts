import { parseAddress } from "../address.ts";
import type { Deadlines } from "./deadlines.ts";
import { isConnectionRefused } from "./fetch_failure.ts";
import { HttpConnection, requestHead } from "./http_connection.ts";
import type { PeerCall } from "./peer_call.ts";

/** Connections to one peer; calls beyond wait for one. */
const MAX_CONNECTIONS = 256;
/** Calls that may wait for a connection to one peer. */
const MAX_WAITING = 4_096;
/** How long a connection may take to be made. */
const CONNECT_TIMEOUT_MS = 10_000;
/** How long an idle connection is kept. */
const IDLE_MS = 60_000;

/** The connections to one peer: made as they are needed, kept for the next call, closed when none has come for a while. */
export class PeerConnections {
  readonly #address: string;
  readonly #head: Uint8Array;
  readonly #deadlines: Deadlines;
  readonly #whenUnused: () => void;
  readonly #open = new Set<HttpConnection>();
  /** Those used last come last. */
  readonly #idle: HttpConnection[] = [];
  /** Attempts, the oldest first; without those that nobody waits for any more. */
  readonly #connecting = new Set<AbortController>();
  readonly #waiting: PeerCall[] = [];
  #closesIdle = false;
  #isClosed = false;

  /** @param whenUnused Called when there is no connection any more, and none is waited for. */
  constructor(address: string, deadlines: Deadlines, whenUnused: () => void) {
    this.#address = address;
    this.#head = requestHead(address);
    this.#deadlines = deadlines;
    this.#whenUnused = whenUnused;
  }

  /** Sends a call: on a connection that is idle, or the next that is ready, perhaps a new one. */
  send(call: PeerCall): void {
    const connection = this.#idle.pop();
    if (connection !== undefined) return assign(call, connection);
    if (this.#waiting.length >= MAX_WAITING) {
      return call.fail(new Error("too many calls wait for a connection to it"));
    }
    this.#waiting.push(call);
    call.carrier = { close: () => this.#forget(call) };
    this.#connectIfWaiting();
  }

  /** Closes all connections; the calls have been told already. */
  close(): void {
    this.#isClosed = true;
    for (const attempt of this.#connecting) attempt.abort();
    for (const connection of [...this.#open]) connection.close();
  }

  /** A connection can carry another call. */
  ready(connection: HttpConnection): void {
    const call = this.#waiting.shift();
    if (call !== undefined) return assign(call, connection);
    this.#idle.push(connection);
    if (!this.#closesIdle) this.#closeIdleIn(IDLE_MS);
  }

  /** A connection is no more. */
  ended(connection: HttpConnection): void {
    this.#open.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
    this.#goOn();
  }

  /** As many connections are made as calls wait, within the bound. */
  #connectIfWaiting(): void {
    while (
      this.#waiting.length > this.#connecting.size &&
      this.#open.size + this.#connecting.size < MAX_CONNECTIONS
    ) void this.#connect();
  }

  async #connect(): Promise<void> {
    const attempt = new AbortController();
    const limit = {
      deadlineMs: performance.now() + CONNECT_TIMEOUT_MS,
      expire: () => attempt.abort(new Error("timed out")),
    };
    this.#connecting.add(attempt);
    this.#deadlines.add(limit);
    let failure: unknown;
    let socket: Deno.TcpConn | undefined;
    try {
      socket = await connectTo(this.#address, attempt.signal);
    } catch (error) {
      failure = attempt.signal.aborted ? attempt.signal.reason : error;
    }
    this.#deadlines.delete(limit);
    // It may have succeeded in the moment in which it was given up.
    if (!this.#connecting.delete(attempt)) return socket?.close();
    if (socket !== undefined) return this.#connected(socket);
    // Of as many attempts as calls: this was the one of the call that has waited longest.
    this.#waiting.shift()?.fail(failure);
    this.#goOn();
  }

  #connected(socket: Deno.TcpConn): void {
    if (this.#isClosed) return socket.close();
    const connection = new HttpConnection(socket, this.#head, this);
    this.#open.add(connection);
    this.ready(connection);
  }

  #forget(call: PeerCall): void {
    const at = this.#waiting.indexOf(call);
    if (at === -1) return;
    this.#waiting.splice(at, 1);
    // Its packets may have been dropped: the next call makes an attempt of its own, and waits for no old one.
    const [oldest] = this.#connecting;
    if (oldest === undefined || this.#connecting.size <= this.#waiting.length) return;
    this.#connecting.delete(oldest);
    oldest.abort();
    this.#goOn();
  }

  #goOn(): void {
    if (this.#isClosed) return;
    this.#connectIfWaiting();
    if (this.#open.size === 0 && this.#connecting.size === 0) this.#whenUnused();
  }

  #closeIdleIn(pauseMs: number): void {
    this.#closesIdle = true;
    const expire = (): void => {
      this.#closesIdle = false;
      const unusedSinceMs = performance.now() - IDLE_MS;
      while (this.#idle.length > 0 && this.#idle[0]!.readySinceMs <= unusedSinceMs) this.#idle[0]!.close();
      if (this.#idle.length > 0) this.#closeIdleIn(this.#idle[0]!.readySinceMs - unusedSinceMs);
    };
    this.#deadlines.add({ deadlineMs: performance.now() + pauseMs, expire });
  }
}

function assign(call: PeerCall, connection: HttpConnection): void {
  call.carrier = connection;
  connection.send(call);
}

/** Connects to an address; `localhost` is tried on both loopback addresses, whichever of them its name stands for. */
async function connectTo(address: string, signal: AbortSignal): Promise<Deno.TcpConn> {
  const { host, port } = parseAddress(address);
  const hosts = host === "localhost" ? [host, "127.0.0.1", "::1"] : [host];
  let failure: unknown;
  for (const hostname of hosts) {
    try {
      return withoutDelay(await Deno.connect({ hostname, port, signal }));
    } catch (error) {
      // A machine without IPv6 has no second loopback address: what the first said is the reason.
      failure ??= error;
      if (!isConnectionRefused(error)) break;
    }
  }
  throw failure;
}

/** Has small messages sent at once. A peer may have ended the connection by then, which some systems say here. */
function withoutDelay(socket: Deno.TcpConn): Deno.TcpConn {
  try {
    socket.setNoDelay(true);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}
