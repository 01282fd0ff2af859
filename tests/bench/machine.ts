import { bytesText } from "../../lib/cli/format.ts";
import { VERSION } from "../../lib/version.ts";
import { numberText } from "./markdown.ts";

/** How long the disk is tried. */
const PROBE_MS = 1_000;
const PAGE_BYTES = 4_096;

/** What a reader must know of the machine, and of what runs there. */
export async function machineFacts(directory: string): Promise<Record<string, string>> {
  const { total } = Deno.systemMemoryInfo();
  const [load] = Deno.loadavg();
  return {
    cores: `${navigator.hardwareConcurrency}`,
    processor: cpuModel(),
    memory: bytesText(total),
    kernel: `${Deno.build.os} ${Deno.osRelease()}`,
    disk: `${
      numberText(await fsyncsPerSecond(directory))
    } fsyncs of 4 KiB a second, one after the other, on ${await fileSystem(directory)}`,
    "load before": `${load!.toFixed(2)} processes wanted to run, on the average of the last minute`,
    versions: [
      `MyDHT ${VERSION}`,
      `Deno ${Deno.version.deno}`,
      await firstLine("etcd", ["--version"]) ?? "no etcd",
      await firstLine("wrk", ["-v"]) ?? "no wrk",
    ].join(", "),
  };
}

/** What each side promises when it acknowledges. */
export const FSYNC_SETTINGS: Readonly<Record<string, string>> = {
  "MyDHT's disks":
    "each commit of Deno KV is one fsync (SQLite, WAL, synchronous=FULL); a write is acknowledged when 2 of 3 nodes have committed it; there is no other setting",
  "etcd's disks":
    "its defaults: each batch of its log is one fdatasync; a write is acknowledged when 2 of 3 nodes have it",
};

/** Appends a page and has it written to the disk, again and again. */
async function fsyncsPerSecond(directory: string): Promise<number> {
  const path = `${directory}/fsync-probe`;
  using file = await Deno.open(path, { create: true, write: true });
  const page = crypto.getRandomValues(new Uint8Array(PAGE_BYTES));
  const beganMs = performance.now();
  let count = 0;
  while (performance.now() - beganMs < PROBE_MS) {
    await file.write(page);
    await file.sync();
    count++;
  }
  await Deno.remove(path);
  return count / (performance.now() - beganMs) * 1000;
}

function cpuModel(): string {
  try {
    return /^model name\s*: (.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? Deno.build.arch;
  } catch {
    return Deno.build.arch;
  }
}

async function fileSystem(directory: string): Promise<string> {
  const name = await firstLine("stat", ["-f", "-c", "%T", directory]) ?? "a file system of unknown kind";
  return name === "tmpfs" ? "tmpfs, which is memory: set TMPDIR to a directory on a disk" : name;
}

async function firstLine(program: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await new Deno.Command(program, { args: [...args] }).output();
    const text = new TextDecoder();
    return (text.decode(stdout) || text.decode(stderr)).split("\n")[0]!.replace(/ \[.*/, "").trim();
  } catch {
    return undefined;
  }
}
