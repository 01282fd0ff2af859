import { assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { VERSION } from "../lib/version.ts";

Deno.test("version given deno.json, then the program says the same", () => {
  assertEquals(VERSION, config.version);
});
