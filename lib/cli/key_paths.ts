/** What the names of files on this machine ask for. */
export interface PathRules {
  /** Windows: `\`, `:` and a few words mean something in a path. */
  readonly isWindows: boolean;
  /** Whether `a` and `A` are the same file, as on most disks of Windows and macOS. */
  readonly foldsCase: boolean;
}

/** Where the keys of a folder go: files below a directory, and those that have no place there. */
export interface DownloadPlan {
  /** `path` is relative, its parts separated by `/`. */
  readonly files: readonly { readonly key: string; readonly path: string }[];
  readonly skipped: readonly { readonly key: string; readonly reason: string }[];
}

/** A prefix as a folder of keys: `photos` and `photos/` are the same; "" is all keys. */
export function folderPrefix(prefix: string): string {
  return prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`;
}

/**
 * Decides to which file each key goes.
 *
 * Skipped are keys that would leave the directory or name no file in it, and keys that others need as a directory.
 *
 * @param folder A prefix of all of the keys; what follows it is the path.
 */
export function planDownload(keys: readonly string[], folder: string, rules: PathRules): DownloadPlan {
  const files: { key: string; path: string }[] = [];
  const skipped: { key: string; reason: string }[] = [];
  const directories = new Set<string>();
  const fold = (path: string) => rules.foldsCase ? path.normalize("NFC").toLowerCase() : path;
  for (const key of keys) {
    const path = key.slice(folder.length);
    const reason = unsafeReason(path, rules);
    if (reason !== undefined) skipped.push({ key, reason });
    else {
      files.push({ key, path });
      for (const parent of parentsOf(path)) directories.add(fold(parent));
    }
  }
  const taken = new Set<string>();
  const kept = files.filter(({ key, path }) => {
    const name = fold(path);
    const reason = directories.has(name)
      ? "other keys need a directory of that name"
      : taken.has(name)
      ? "another key has the same name but for upper and lower case"
      : undefined;
    if (reason !== undefined) skipped.push({ key, reason });
    taken.add(name);
    return reason === undefined;
  });
  return { files: kept, skipped };
}

/** Directories above a path, the outermost first. */
export function parentsOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
}

function unsafeReason(path: string, { isWindows }: PathRules): string | undefined {
  if (path === "") return "it is the folder itself, and names no file in it";
  if (path.startsWith("/")) return "its path is absolute";
  const parts = path.split("/");
  if (path.endsWith("/")) return "it ends in a slash, as only directories do";
  if (parts.includes("")) return "a part of its path is empty";
  if (parts.some((part) => part === "." || part === "..")) return "its path would leave the directory";
  if (path.includes("\0")) return "it has a NUL";
  if (parts.some((part) => new TextEncoder().encode(part).length > 255)) {
    return "a part of its path is too long";
  }
  return isWindows ? windowsReason(path, parts) : undefined;
}

function windowsReason(path: string, parts: readonly string[]): string | undefined {
  // deno-lint-ignore no-control-regex
  const bad = /[\\:<>"|?*\x00-\x1f]/.exec(path)?.[0];
  if (bad !== undefined) return `Windows allows no ${JSON.stringify(bad)} in a name`;
  if (parts.some((part) => /[ .]$/.test(part))) return "Windows allows no name that ends in a dot or a space";
  const device = parts.find((part) => /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)/i.test(part));
  return device === undefined ? undefined : `Windows allows no file named ${device}`;
}
