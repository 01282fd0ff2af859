/**
 * Tries a built program as a stranger would: copied into an empty directory, far from its source.
 *
 * `deno task smoke` tries the bundles, `deno task smoke dist/mydht` the compiled program. Exit code 1 if anything is
 * not as it should be.
 */
import { basename, resolve } from "node:path";
import { NODE_PERMISSIONS } from "../lib/cli/node_flags.ts";
import { CLIENT_ENV } from "../lib/cli/io.ts";
import { VERSION } from "../lib/version.ts";

/** How long a node may take to start or to stop, in milliseconds. */
const PATIENCE_MS = 20_000;
/** What `deno.json` switches on; here, there is none. */
const UNSTABLE = ["--unstable-kv", "--unstable-cron", "--unstable-no-legacy-abort"];

const directory = await Deno.makeTempDir({ prefix: "mydht-smoke-" });
let passed = 0;
let failed = 0;

try {
  const [program] = Deno.args;
  if (program === undefined) {
    const bundle = await bring("dist/cli.js");
    await tryProgram([Deno.execPath(), ...runArguments("run"), bundle]);
    await tryCluster([Deno.execPath(), ...runArguments("run"), "--allow-run", bundle]);
    await tryServe(await bring("dist/main.js"));
  } else {
    const command = [await bring(program)];
    await tryProgram(command);
    await tryCluster(command);
  }
} finally {
  await Deno.remove(directory, { recursive: true });
}
console.log(`${failed === 0 ? "ok" : "FAILED"} | ${passed} passed | ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);

/** Client and node in one. */
async function tryProgram(command: readonly string[]): Promise<void> {
  const server = `localhost:${freePort()}`;
  const ask = (...args: string[]) => output(command, [...args, "--port", portOf(server)]);
  await attempt("--version", async () => expect(await output(command, ["--version"]), `mydht ${VERSION}\n`));
  await attempt("--help", async () => expectPart(await output(command, ["--help"]), "Usage: mydht"));
  await attempt(
    "node --help",
    async () => expectPart(await output(command, ["node", "--help"]), "--advertise"),
  );
  await attempt("a node that starts, takes a key and stops at SIGTERM", async () => {
    await using node = await start(command, ["node", "--port", portOf(server)], {}, server);
    expect(await ask("put", "greeting", "hello"), "PUT OK greeting\n");
    expect(await ask("get", "greeting"), "hello");
    expectPart(await ask("status"), server);
    await node.stop();
  });
  await attempt("the same node started again, with its key", async () => {
    await using node = await start(command, ["node", "--port", portOf(server)], {}, server);
    expect(await ask("get", "greeting"), "hello");
    await node.stop();
  });
}

/** The program starts itself, wherever it stands. */
async function tryCluster(command: readonly string[]): Promise<void> {
  await attempt("a cluster that starts, shares a key and stops", async () => {
    const port = freePort();
    const last = `localhost:${port + 1}`;
    const args = ["cluster", "--nodes", "2", "--port", `${port}`, "--data", `${directory}/cluster`];
    await using cluster = await start(command, args, {}, last);
    expect(await output(command, ["put", "greeting", "hello", "--port", `${port}`]), "PUT OK greeting\n");
    expect(await output(command, ["get", "greeting", "--port", portOf(last)]), "hello");
    await cluster.stop();
    if (await isReady(last)) throw new Error(`${last} still runs`);
  });
}

/** The module that `deno serve` and serverless hosts load. */
async function tryServe(bundle: string): Promise<void> {
  await attempt("deno serve", async () => {
    const server = `127.0.0.1:${freePort()}`;
    const command = [
      Deno.execPath(),
      ...runArguments("serve"),
      "--host",
      "127.0.0.1",
      "--port",
      portOf(server),
    ];
    const env = { MYDHT_HOST: "127.0.0.1", MYDHT_PORT: portOf(server) };
    await using node = await start(command, [bundle], env, server);
    const key = `http://${server}/keys/greeting`;
    const put = await fetch(key, { method: "PUT", body: "hello" });
    expect(`${put.status} ${await put.text()}`.slice(0, 4), "200 ");
    expect(await (await fetch(key)).text(), "hello");
    await node.stop();
  });
}

function runArguments(subcommand: "run" | "serve"): string[] {
  const env = NODE_PERMISSIONS.map((flag) =>
    flag.startsWith("--allow-env=") ? [flag, ...CLIENT_ENV].join() : flag
  );
  return [subcommand, "--quiet", "--no-prompt", ...UNSTABLE, ...env];
}

async function attempt(what: string, act: () => Promise<void>): Promise<void> {
  try {
    await act();
    passed++;
    console.log(`ok      ${what}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${what}: ${error instanceof Error ? error.message : error}`);
  }
}

/** Copies a file into the empty directory. */
async function bring(path: string): Promise<string> {
  const target = `${directory}/${basename(path)}`;
  await Deno.copyFile(resolve(path), target);
  return target;
}

async function output(command: readonly string[], args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await spawned(command, args, {}).output();
  const text = new TextDecoder();
  if (code !== 0) throw new Error(`${args.join(" ")}: exit code ${code}: ${text.decode(stderr)}`);
  return text.decode(stdout);
}

interface RunningNode extends AsyncDisposable {
  /** Sends SIGTERM and expects exit code 0. */
  stop(): Promise<void>;
}

/** Starts a node and waits until it is ready. */
async function start(
  command: readonly string[],
  args: readonly string[],
  env: Record<string, string>,
  server: string,
): Promise<RunningNode> {
  const child = spawned(command, args, env).spawn();
  let ended = false;
  const status = child.status.finally(() => ended = true);
  const said = Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  const killed = async () => {
    if (!ended) child.kill("SIGKILL");
    await status;
    return (await said).join("");
  };
  const untilMs = Date.now() + PATIENCE_MS;
  while (!await isReady(server)) {
    if (ended || Date.now() > untilMs) throw new Error(`the node is not ready: ${await killed()}`);
    await pause(100);
  }
  return {
    async stop() {
      child.kill("SIGTERM");
      const late = pause(PATIENCE_MS).then(() => undefined);
      const code = (await Promise.race([status, late]))?.code;
      if (code !== 0) throw new Error(`after SIGTERM: exit code ${code ?? "none"}: ${await killed()}`);
    },
    async [Symbol.asyncDispose]() {
      await killed();
    },
  };
}

async function isReady(server: string): Promise<boolean> {
  try {
    const response = await fetch(`http://${server}/readyz`);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

function spawned(
  command: readonly string[],
  args: readonly string[],
  env: Record<string, string>,
): Deno.Command {
  const [program, ...first] = command;
  return new Deno.Command(program!, {
    args: [...first, ...args],
    cwd: directory,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

function portOf(server: string): string {
  return server.slice(server.lastIndexOf(":") + 1);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function expect(actual: string, expected: string): void {
  if (actual !== expected) {
    throw new Error(`expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
  }
}

function expectPart(actual: string, part: string): void {
  if (!actual.includes(part)) {
    throw new Error(`expected ${JSON.stringify(part)} in ${JSON.stringify(actual)}`);
  }
}
