/**
 * Told of each process group that begins and ends. At the end of its input, which comes when the run ends in any
 * way, `kill -9` of the run included, it kills those that are left and deletes their data.
 */
const SCRIPT = `
groups=
while read -r what group; do
  case $what in
    began) groups="$groups $group" ;;
    ended) kept=; for one in $groups; do [ "$one" = "$group" ] || kept="$kept $one"; done; groups=$kept ;;
  esac
done
for group in $groups; do kill -9 "-$group" 2>/dev/null; done
exec rm -rf "$1"
`;

/** Sees to it that no process of a run outlives it. */
export class Guard {
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  /** @param dataDirectory Deleted at the end. */
  constructor(dataDirectory: string) {
    this.#process = new Deno.Command("sh", {
      args: ["-c", SCRIPT, "guard", dataDirectory],
      stdin: "piped",
      stdout: "null",
      stderr: "null",
      // A signal to the group of the run must not reach it.
      detached: true,
    }).spawn();
    this.#writer = this.#process.stdin.getWriter();
  }

  /** @param group Id of the process group, which is that of its leader. */
  async began(group: number): Promise<void> {
    await this.#tell(`began ${group}`);
  }

  async ended(group: number): Promise<void> {
    await this.#tell(`ended ${group}`);
  }

  /** Has it kill and delete what is left, and waits for that. */
  async end(): Promise<void> {
    await this.#writer.close();
    await this.#process.status;
  }

  async #tell(line: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(`${line}\n`));
  }
}
