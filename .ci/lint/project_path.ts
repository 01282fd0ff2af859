const ROOT = new URL("../../", import.meta.url).pathname;

/**
 * Path of a linted file inside the project, with `/` between its parts: `lib/core/hlc.ts`.
 *
 * A path that is not below the project's directory is returned as it is.
 */
export function projectPath(filename: string): string {
  const path = decodeURI(filename.startsWith("file://") ? new URL(filename).pathname : filename)
    .replaceAll("\\", "/");
  const root = decodeURI(ROOT);
  // On Windows the path of a file URL begins with a slash, a file name with its drive.
  return [root, root.slice(1)].reduce(
    (rest, prefix) => rest.startsWith(prefix) ? rest.slice(prefix.length) : rest,
    path,
  );
}

/**
 * What a relative specifier in a file names, as a path inside the project.
 *
 * @param from Path of the file, inside the project.
 * @param specifier As it is written: `../ports/clock.ts`.
 */
export function resolveSpecifier(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}
