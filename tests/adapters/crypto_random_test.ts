import { assert, assertEquals, assertMatch } from "@std/assert";
import { CryptoRandom } from "../../lib/adapters/crypto_random.ts";

Deno.test("CryptoRandom given many draws, then all are from 0 to below 1 and none repeats", () => {
  const random = new CryptoRandom();
  const draws = Array.from({ length: 2_000 }, () => random.next());
  assert(draws.every((draw) => draw >= 0 && draw < 1));
  assertEquals(new Set(draws).size, draws.length);
  // 14 standard deviations: it fails by chance less than once in 10^40.
  const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
  assert(Math.abs(mean - 0.5) < 0.09);
});

Deno.test("CryptoRandom given a number of bytes, then hex() has two digits for each", () => {
  const random = new CryptoRandom();
  assertMatch(random.hex(16), /^[0-9a-f]{32}$/);
  assertEquals(random.hex(0), "");
  assert(random.hex(16) !== random.hex(16));
});
