import { assertEquals } from "@std/assert";
import { folderPrefix, type PathRules, planDownload } from "../../lib/cli/key_paths.ts";

const LINUX: PathRules = { isWindows: false, foldsCase: false };
const MAC: PathRules = { isWindows: false, foldsCase: true };
const WINDOWS: PathRules = { isWindows: true, foldsCase: true };

Deno.test("folderPrefix() given a prefix, then ends in a slash unless it is empty", () => {
  assertEquals(["", "a", "a/", "a/b", "/"].map(folderPrefix), ["", "a/", "a/", "a/b/", "/"]);
});

/** What becomes of one key: its path, or why it is skipped. */
function fate(key: string, rules: PathRules, folder = ""): string {
  const { files, skipped } = planDownload([key], folder, rules);
  return files[0]?.path ?? `! ${skipped[0]?.reason}`;
}

const ROWS: readonly (readonly [key: string, linux: string, windows?: string])[] = [
  ["a", "a"],
  ["a/b/c.txt", "a/b/c.txt"],
  ["...", "...", "! Windows allows no name that ends in a dot or a space"],
  [".hidden", ".hidden"],
  ["-rf", "-rf"],
  ["~", "~"],
  ["/etc/passwd", "! its path is absolute"],
  ["//a", "! its path is absolute"],
  ["..", "! its path would leave the directory"],
  ["../a", "! its path would leave the directory"],
  ["a/../../b", "! its path would leave the directory"],
  ["a/./b", "! its path would leave the directory"],
  ["a//b", "! a part of its path is empty"],
  ["a/", "! it ends in a slash, as only directories do"],
  ["a\0b", "! it has a NUL"],
  [`a/${"x".repeat(256)}`, "! a part of its path is too long"],
  ["é".repeat(128), "! a part of its path is too long"],
  ["a\\b", "a\\b", '! Windows allows no "\\\\" in a name'],
  ["..\\a", "..\\a", '! Windows allows no "\\\\" in a name'],
  ["C:a", "C:a", '! Windows allows no ":" in a name'],
  ["a?b", "a?b", '! Windows allows no "?" in a name'],
  ["a\nb", "a\nb", '! Windows allows no "\\n" in a name'],
  ["a./b", "a./b", "! Windows allows no name that ends in a dot or a space"],
  ["a ", "a ", "! Windows allows no name that ends in a dot or a space"],
  ["dir/CON", "dir/CON", "! Windows allows no file named CON"],
  ["nul.txt", "nul.txt", "! Windows allows no file named nul.txt"],
  ["console", "console"],
];

for (const [key, linux, windows = linux] of ROWS) {
  Deno.test(`planDownload() given ${JSON.stringify(key.slice(0, 20))}, then it goes where it is safe or nowhere`, () => {
    assertEquals([fate(key, LINUX), fate(key, WINDOWS)], [linux, windows]);
  });
}

Deno.test("planDownload() given a folder, then paths begin behind it", () => {
  assertEquals(fate("p/a/b", LINUX, "p/"), "a/b");
  assertEquals(fate("p/", LINUX, "p/"), "! it is the folder itself, and names no file in it");
  assertEquals(fate("p//a", LINUX, "p/"), "! its path is absolute");
});

Deno.test("planDownload() given a key that others need as a directory, then skips that key only", () => {
  const plan = planDownload(["a", "a-b", "a/b/c", "a/b", "z"], "", LINUX);
  assertEquals(plan.files.map(({ path }) => path), ["a-b", "a/b/c", "z"]);
  assertEquals(plan.skipped, [
    { key: "a", reason: "other keys need a directory of that name" },
    { key: "a/b", reason: "other keys need a directory of that name" },
  ]);
});

Deno.test("planDownload() given names that differ in case only, then they collide where the disk says so", () => {
  const keys = ["a/B", "A/b", "C", "c/d"];
  assertEquals(planDownload(keys, "", LINUX).files.length, 4);
  assertEquals(planDownload(keys, "", MAC), {
    files: [{ key: "a/B", path: "a/B" }, { key: "c/d", path: "c/d" }],
    skipped: [
      { key: "A/b", reason: "another key has the same name but for upper and lower case" },
      { key: "C", reason: "other keys need a directory of that name" },
    ],
  });
});
