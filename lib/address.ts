/** The name a node is reached by: `host:port`, with an IPv6 address in brackets. */
export interface Address {
  /** Lower case, without brackets; names in other scripts as `xn--…`. */
  readonly host: string;
  /** 1 to 65,535. */
  readonly port: number;
}

/** The port a node listens on, and a client asks, where nothing else is said. */
export const DEFAULT_PORT = 50140;

/**
 * Reads `host:port`, `[ipv6]:port` or, where a default port is given, either of them without its port.
 *
 * @throws {SyntaxError} With a message fit for the person who wrote it.
 */
export function parseAddress(text: string, options: { readonly defaultPort?: number } = {}): Address {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    throw new SyntaxError(`"${text}" is a URL: write only its HOST:PORT`);
  }
  const { defaultPort } = options;
  const bareIpv6 = text.split(":").length > 2 && !text.startsWith("[");
  if (bareIpv6) throw new SyntaxError(`"${text}": write an IPv6 address in brackets, as in [::1]:50140`);
  const match = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(text);
  const [, host = "", port] = match ?? [];
  if (match === null || host === "" || (port === undefined && defaultPort === undefined)) {
    throw new SyntaxError(`"${text}" is not HOST:PORT, as in localhost:50140`);
  }
  return { host: parseHost(host), port: port === undefined ? defaultPort! : parsePort(port) };
}

/**
 * Reads a host name, an IPv4 address, or an IPv6 address with or without brackets.
 *
 * @throws {SyntaxError} If it is none of them.
 */
export function parseHost(text: string): string {
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  const isIpv6 = bare.includes(":");
  const url = /[\s/@?#%\\[\]]/.test(bare) || bare === ""
    ? undefined
    : URL.parse(isIpv6 ? `http://[${bare}]/` : `http://${bare}/`);
  if (!url || url.hostname === "" || (!isIpv6 && bare !== text)) {
    throw new SyntaxError(`"${text}" is neither a host name nor an IP address`);
  }
  return isIpv6 ? url.hostname.slice(1, -1) : url.hostname;
}

/**
 * Reads a port that can be connected to by every client.
 *
 * @throws {SyntaxError} If it is not a number from 1 to 65,535, or one that `fetch` refuses.
 */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new SyntaxError(`"${text}" is not a port: 1 to 65535`);
  if (isBlockedPort(port)) {
    throw new SyntaxError(`port ${port} is one that browsers and fetch refuse to connect to: take another`);
  }
  return port;
}

/** The text of an address: what nodes call each other, and what stands in a URL. */
export function formatAddress({ host, port }: Address): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Whether only programs of the same machine reach that host. */
export function isLoopbackHost(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || host === "::1" ||
    /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Whether a host means every address of the machine: one to listen on, and none to be reached by. */
export function isAnyHost(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** Whether `fetch` refuses that port, by the list of the Fetch standard. */
export function isBlockedPort(port: number): boolean {
  return BLOCKED_PORTS.has(port);
}

// deno-fmt-ignore
const BLOCKED_PORTS: ReadonlySet<number> = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
  110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
  532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060,
  5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
]);
