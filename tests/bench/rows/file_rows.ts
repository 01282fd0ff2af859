import { eventually } from "../../e2e/support/eventually.ts";
import { freePort } from "../../e2e/support/free_port.ts";
import type { Arena } from "../arena.ts";
import { benchProgram, bundledClient, timed } from "../program.ts";
import { atLeast, atMost, measure, type SideFigures } from "../report.ts";
import { NotMeasuredError, type Row, type RowContext, type RowResult } from "../row.ts";
import { OurRing } from "../sides.ts";
import { figuresOf } from "../statistics.ts";

const KEY = "bench/file";
const TIMEOUT_MS = 600_000;
const MIB = 1024 * 1024;
const DD_COPIES = 3;

/** Large files into the ring, and out of it. */
export const FILE_ROWS: readonly Row[] = [
  {
    name: "file-put",
    work:
      "a file of 512 MiB (--quick: 64) by `mydht put --file`, N = 3, against a program that writes the same bytes into three " +
      "Deno KV files in parallel, and three `dd conv=fsync` at once",
    run: runPut,
  },
  {
    name: "file-get",
    work:
      "the same file by `mydht get -o`, against a bare Deno.serve that streams it to a program that writes it, and three " +
      "`dd conv=fsync` at once",
    run: runGet,
  },
];

async function runPut(context: RowContext): Promise<RowResult> {
  const { arena } = context;
  const { file, bytes } = await makeFile(context);
  const ring = await OurRing.start(arena);
  const client = await bundledClient(arena);
  const contenders = {
    mydht: () => timed(arena, "put", putCommand(client, ring, file), { timeoutMs: TIMEOUT_MS }),
    "bare Deno KV x 3": async () => {
      const directory = await Deno.makeTempDir({ dir: arena.directory });
      const seconds = await timed(arena, "bare-kv", benchProgram("bare_kv", [file, directory]), {
        timeoutMs: TIMEOUT_MS,
      });
      await Deno.remove(directory, { recursive: true });
      return seconds;
    },
    "dd x 3": () => ddSeconds(arena, file),
  };
  const taken = await inTurn(contenders, context);
  return {
    measures: [
      measure({
        what: `put of ${bytes / MIB} MiB`,
        unit: "s",
        ours: taken.mydht,
        theirs: taken["bare Deno KV x 3"],
        target: (ratio) => atMost(ratio, 1.5, "1.5 x"),
      }),
      measure({ what: "put, for the record", unit: "s", ours: taken.mydht, theirs: taken["dd x 3"] }),
    ],
    commands: ["mydht put bench/file --file FILE", ddCommand("FILE", "COPY")],
    notes: [rateNote(bytes, taken.mydht), await cameBack(arena, { ring, client, file })],
  };
}

async function runGet(context: RowContext): Promise<RowResult> {
  const { arena } = context;
  const { file, bytes } = await makeFile(context);
  const ring = await OurRing.start(arena);
  const client = await bundledClient(arena);
  await arena.runToEnd("put", putCommand(client, ring, file), { timeoutMs: TIMEOUT_MS });
  const port = freePort();
  await arena.start("bare", benchProgram("bare_server", [`${port}`, file, "--stream"]));
  await eventually("the bare server listens", async () => {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  });
  const [copy, bareCopy] = [arena.path("copy"), arena.path("bare-copy")];
  const bare = benchProgram("bare_get", [`http://127.0.0.1:${port}/`, bareCopy]);
  const contenders = {
    mydht: () => timed(arena, "get", getCommand(client, ring, copy), { timeoutMs: TIMEOUT_MS }),
    "bare Deno.serve": () => timed(arena, "bare-get", bare, { timeoutMs: TIMEOUT_MS }),
    "dd x 3": () => ddSeconds(arena, file),
  };
  const taken = await inTurn(contenders, context);
  return {
    measures: [
      measure({
        what: `get of ${bytes / MIB} MiB`,
        unit: "s",
        ours: taken.mydht,
        theirs: taken["bare Deno.serve"],
        // Half of its speed is twice its time.
        target: (ratio) => atLeast(ratio && 1 / ratio, 0.5, "0.5 x its speed"),
      }),
      measure({ what: "get, for the record", unit: "s", ours: taken.mydht, theirs: taken["dd x 3"] }),
    ],
    commands: ["mydht get bench/file -o COPY"],
    notes: [rateNote(bytes, taken.mydht), await sameSentence(arena, file, copy)],
  };
}

/** A file of noise: nothing on the way can make it smaller. */
async function makeFile(
  { arena, quick }: RowContext,
): Promise<{ readonly file: string; readonly bytes: number }> {
  if (Deno.build.os === "windows") throw new NotMeasuredError("this row needs dd");
  const mib = quick ? 64 : 512;
  const file = arena.path("noise");
  const command = ["dd", "if=/dev/urandom", `of=${file}`, "bs=1M", `count=${mib}`, "status=none"];
  await arena.runToEnd("noise", command, { timeoutMs: TIMEOUT_MS });
  return { file, bytes: mib * MIB };
}

async function inTurn<Name extends string>(
  contenders: Readonly<Record<Name, () => Promise<number>>>,
  { rounds, print }: RowContext,
): Promise<Record<Name, SideFigures>> {
  const entries = Object.entries(contenders) as [Name, () => Promise<number>][];
  const taken = new Map(entries.map(([name]) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of entries) {
      const seconds = await run();
      taken.get(name)!.push(seconds);
      print(`round ${round + 1} of ${rounds}, ${name}: ${seconds.toFixed(2)} s`);
    }
  }
  const figures = entries.map(([name]) => [name, { name, ...figuresOf(taken.get(name)!) }]);
  return Object.fromEntries(figures) as Record<Name, SideFigures>;
}

async function ddSeconds(arena: Arena, file: string): Promise<number> {
  const copies = Array.from({ length: DD_COPIES }, (_, i) => arena.path(`dd-${i}`));
  const beganMs = performance.now();
  await Promise.all(
    copies.map((copy) => arena.runToEnd("dd", ddCommand(file, copy).split(" "), { timeoutMs: TIMEOUT_MS })),
  );
  const seconds = (performance.now() - beganMs) / 1000;
  for (const copy of copies) await Deno.remove(copy);
  return seconds;
}

function ddCommand(from: string, to: string): string {
  return `dd if=${from} of=${to} bs=1M conv=fsync status=none`;
}

function putCommand(client: readonly string[], ring: OurRing, file: string): string[] {
  return [...client, "put", KEY, "--file", file, "-p", `${ring.ports[0]}`];
}

function getCommand(client: readonly string[], ring: OurRing, copy: string): string[] {
  return [...client, "get", KEY, "-o", copy, "-p", `${ring.ports[1]}`];
}

function rateNote(bytes: number, { median }: SideFigures): string {
  return `mydht: ${Math.round(bytes / 1e6 / median)} MB/s.`;
}

/** What was put is got at another node, and compared. */
async function cameBack(
  arena: Arena,
  { ring, client, file }: {
    readonly ring: OurRing;
    readonly client: readonly string[];
    readonly file: string;
  },
): Promise<string> {
  const copy = arena.path("copy");
  await arena.runToEnd("get", getCommand(client, ring, copy), { timeoutMs: TIMEOUT_MS });
  return await sameSentence(arena, file, copy);
}

async function sameSentence(arena: Arena, file: string, copy: string): Promise<string> {
  const same = await arena.runToEnd("cmp", ["cmp", file, copy], { timeoutMs: TIMEOUT_MS }).then(
    () => true,
    () => false,
  );
  return same ? "What came back is the same to the last byte." : "WRONG: what came back is not the same.";
}
