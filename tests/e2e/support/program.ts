/** The checkout these tests belong to. */
export const ROOT = new URL("../../..", import.meta.url).pathname.replace(/\/$/, "");

/** Tasks of `deno.json` that are plain commands, without anything for a shell to do. */
export type Task = "node" | "cli";

/**
 * What a task runs, as arguments of Deno with the script by its full path: the tests have the permissions a user
 * has, and no more, and their signals reach the program itself.
 */
export function taskArguments(task: Task): string[] {
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}/deno.json`));
  const command: string = tasks[task].command;
  const [deno, ...words] = command.split(" ");
  if (deno !== "deno" || /["'$;&|]/.test(command)) throw new Error(`The task ${task} is no plain command`);
  return words.map((word) => word === "cli.ts" ? `${ROOT}/cli.ts` : word);
}

/** The environment of the tests without settings of MyDHT, and with those given. */
export function environment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const inherited = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("MYDHT_"));
  return { ...Object.fromEntries(inherited), NO_COLOR: "1", ...extra };
}
