import { DEFAULT_PORT, formatAddress, parseAddress, parseHost, parsePort } from "../address.ts";
import { checkKey, MyDhtClient } from "../client.ts";
import { readSecret } from "../secret.ts";
import { UsageError } from "./failures.ts";
import { type CliIo, printLine } from "./io.ts";

/** One command on its way: what it was given, and whom it asks. */
export class Session {
  readonly #values: ReadonlyMap<string, string>;
  readonly #switches: ReadonlySet<string>;

  constructor(readonly io: CliIo, values: ReadonlyMap<string, string>, switches: ReadonlySet<string>) {
    this.#values = values;
    this.#switches = switches;
  }

  /** Value of a flag or operand. */
  value(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** Value of an operand that the arguments were checked to have. */
  required(name: string): string {
    const value = this.#values.get(name);
    if (value === undefined) throw new UsageError(`${name} is missing`);
    return value;
  }

  /** The key that was given. */
  key(): string {
    const key = this.required("key");
    checkKey(key);
    return key;
  }

  has(name: string): boolean {
    return this.#switches.has(name);
  }

  /** The node to ask: by its flags, else `MYDHT_SERVER`, else the default. */
  server(): string {
    const variable = this.io.env("MYDHT_SERVER");
    const standing = named(
      "MYDHT_SERVER",
      () => parseAddress(variable || "localhost", { defaultPort: DEFAULT_PORT }),
    );
    const host = this.#values.get("host");
    const port = this.#values.get("port");
    const given = host === undefined ? standing : named("--host", () => hostAddress(host, standing.port));
    return formatAddress({
      host: given.host,
      port: port === undefined ? given.port : named("--port", () => parsePort(port)),
    });
  }

  /** @param options.withSecret Whether the command changes the ring. */
  client(options: { readonly withSecret?: boolean } = {}): MyDhtClient {
    const secret = options.withSecret ? this.#secret() : undefined;
    return new MyDhtClient({
      server: this.server(),
      fetch: this.io.fetch,
      clock: this.io.clock,
      ...(secret !== undefined && { secret }),
    });
  }

  #secret(): string | undefined {
    const path = this.#values.get("secret-file");
    return readSecret({
      ...(path !== undefined && { file: { path, from: "--secret-file" } }),
      text: this.io.env("MYDHT_SECRET"),
      readFile: Deno.readTextFileSync,
    });
  }

  print(line: string): Promise<void> {
    return printLine(this.io.stdout, line);
  }

  /** A sentence on stderr that does not end the command. */
  complain(sentence: string): Promise<void> {
    return printLine(this.io.stderr, `mydht: ${sentence}`);
  }

  /** The answer as JSON where `--json` asks for it, else the words. */
  answer(json: unknown, words: string): Promise<void> {
    return this.print(this.has("json") ? JSON.stringify(json) : words);
  }
}

/** `-h` takes a host, and forgives a port behind it. */
function hostAddress(text: string, defaultPort: number): { host: string; port: number } {
  return text.split(":").length === 2
    ? parseAddress(text, { defaultPort })
    : { host: parseHost(text), port: defaultPort };
}

function named<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(`${what}: ${error.message}`);
    throw error;
  }
}
