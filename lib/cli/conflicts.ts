import type { Command } from "./commands.ts";

/** What the flags of one command ask of each other; `undefined` where they agree. */
export function conflictOf(
  command: Command,
  values: ReadonlyMap<string, string>,
  switches: ReadonlySet<string>,
): string | undefined {
  const given = (name: string) => values.has(name);
  switch (command.name) {
    case "put":
      if (given("value") && given("file")) return "put takes a value or a file, not both";
      return given("value") || given("file") ? undefined : "put needs VALUE or --file FILE";
    case "del":
      if (given("key") && given("prefix")) return "del takes a key or a prefix, not both";
      if (given("key")) return undefined;
      if (!given("prefix")) return "del needs KEY or --prefix P";
      return switches.has("yes")
        ? undefined
        : `del --prefix deletes every key that begins with "${
          values.get("prefix")
        }": add --yes if that is meant`;
    case "plan":
      return planConflict(values);
    case "download":
      return given("prefix") ? undefined : 'download needs --prefix P ("" for all keys)';
    default:
      return undefined;
  }
}

/** What each change takes beside its name. */
function planConflict(values: ReadonlyMap<string, string>): string | undefined {
  const change = values.get("CHANGE") ?? "";
  if (!["join", "leave", "remove", "weight"].includes(change)) {
    return `"${change}" is no change that can be planned: join, leave, remove or weight`;
  }
  if (change !== "join" && !values.has("key")) return `plan ${change} needs HOST:PORT`;
  if (change === "weight" && !values.has("weight")) return "plan weight needs HOST:PORT W";
  if (change !== "join" && values.has("zone")) return `plan ${change} takes no --zone`;
  const takesWeight = change === "join" || change === "weight";
  return takesWeight || !values.has("weight") ? undefined : `plan ${change} takes no weight`;
}

/** `put -k --value x` would otherwise store "x" under the key "--value". */
export function forgottenKey(
  values: ReadonlyMap<string, string>,
  positionals: readonly string[],
): string | undefined {
  const key = values.get("key");
  if (key === undefined || !key.startsWith("-") || positionals.length === 0) return undefined;
  return `the key seems to be missing: -k takes "${key}" for it`;
}
