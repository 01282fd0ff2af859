import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { Fingerprint } from "../../lib/core/fingerprint.ts";

function hex(fill: (fingerprint: Fingerprint) => Fingerprint): string {
  const sum = new Int32Array(4);
  fill(new Fingerprint().start()).addTo(sum);
  return Array.from(sum, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

// What owners compare, and what is on disks, depends on them: they must never change.
const KNOWN: Record<string, readonly [fill: (fingerprint: Fingerprint) => Fingerprint, hex: string]> = {
  "nothing": [(f) => f, "00000000000000000000000000000000"],
  "a word": [(f) => f.word(1), "3c18af2ae2ae9c29ede8098174f0bf12"],
  "a text": [(f) => f.text("key 1"), "5b4f90af93b340e3bee78c033709f498"],
  "nine bytes": [
    (f) => f.bytes(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), 9),
    "c91d8358259a8d372d7c7c3b1b8d92a7",
  ],
};

for (const [name, [fill, expected]] of Object.entries(KNOWN)) {
  Deno.test(`Fingerprint given ${name}, then the known hash`, () => {
    assertEquals(hex(fill), expected);
  });
}

const DIFFERENT: Record<string, readonly [(f: Fingerprint) => Fingerprint, (f: Fingerprint) => Fingerprint]> =
  {
    "a letter moved to the next text": [(f) => f.text("ab").text("c"), (f) => f.text("a").text("bc")],
    "a zero behind": [(f) => f.word(1), (f) => f.word(1).word(0)],
    "zero bytes behind": [(f) => f.bytes(new Uint8Array(5), 5), (f) => f.bytes(new Uint8Array(6), 6)],
    "counts that differ above 32 bits": [(f) => f.count(1), (f) => f.count(1 + 2 ** 32)],
    "letters beyond ASCII": [(f) => f.text("\u00e9"), (f) => f.text("\u01e9")],
    "words that are exchanged": [(f) => f.word(1).word(2), (f) => f.word(2).word(1)],
  };

for (const [name, [a, b]] of Object.entries(DIFFERENT)) {
  Deno.test(`Fingerprint given ${name}, then another hash`, () => {
    assertNotEquals(hex(a), hex(b));
  });
}

Deno.test("Fingerprint given one bit that changes, then about half of the hash's bits do", () => {
  const fingerprint = new Fingerprint();
  let changed = 0;
  const tries = 32 * 64;
  for (let i = 0; i < tries; i++) {
    const sum = new Int32Array(4);
    fingerprint.start().word(i).text(`key ${i}`).addTo(sum);
    fingerprint.start().word(i ^ 1 << (i % 32)).text(`key ${i}`).addTo(sum);
    for (const word of sum) changed += (word >>> 0).toString(2).replaceAll("0", "").length;
  }
  assertEquals(Math.round(changed / tries / 4), 16);
});

Deno.test("Fingerprint given 200,000 keys and versions, then no 64 bits of two are equal", () => {
  const fingerprint = new Fingerprint();
  const seen = [new Set<string>(), new Set<string>()];
  for (let i = 0; i < 200_000; i++) {
    const sum = new Int32Array(4);
    fingerprint.start().text(`key-${i >>> 1}`).count(1_700_000_000_000 + (i & 1)).count(0).addTo(sum);
    seen[0]!.add(`${sum[0]},${sum[1]}`);
    seen[1]!.add(`${sum[2]},${sum[3]}`);
  }
  assertEquals(seen.map(({ size }) => size), [200_000, 200_000]);
});

Deno.test("Fingerprint given the same twice, then the sum is nothing again", () => {
  const sum = new Int32Array(4);
  const fingerprint = new Fingerprint();
  for (let i = 0; i < 2; i++) fingerprint.start().text("key").count(7).addTo(sum);
  assertEquals([...sum], [0, 0, 0, 0]);
});

Deno.test("Fingerprint given more than it has room for, then it refuses", () => {
  assertThrows(() => new Fingerprint().start().bytes(new Uint8Array(100_000), 100_000), RangeError);
});
