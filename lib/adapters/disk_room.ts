import type { DiskRoom } from "../ports/disk.ts";

/**
 * Room on the disk of a directory; `undefined` where it cannot be asked: Deno asks for `--allow-sys=statfs`, and a
 * remote database is on nobody's disk.
 */
export async function diskRoom(directory: string): Promise<DiskRoom | undefined> {
  try {
    const { statfs } = await import("node:fs/promises");
    const { bsize, bavail, blocks } = await statfs(directory);
    return { freeBytes: bsize * bavail, totalBytes: bsize * blocks };
  } catch {
    return undefined;
  }
}
