import { assertEquals } from "@std/assert";
import { complaintAbout } from "./readback.ts";
import { isValueOf, keyName, putRequest, readValue, valueOf } from "./requests.ts";

const KEY = keyName(42);
const VALUE = valueOf(KEY, "r1");

Deno.test("valueOf() a key, then is 100 bytes that only that key can have", () => {
  assertEquals(VALUE.length, 100);
  assertEquals(isValueOf(KEY, VALUE), true);
  assertEquals(isValueOf(keyName(43), VALUE), false);
  assertEquals(isValueOf(KEY, VALUE.slice(0, 99)), false);
  assertEquals(isValueOf(KEY, VALUE.replace("xx", "xy")), false);
});

for (
  const { name, found, complaint } of [
    { name: "the same at all nodes", found: [VALUE, VALUE, VALUE], complaint: undefined },
    { name: "nothing at one", found: [VALUE, undefined], complaint: `${KEY} differs: ${VALUE} | ` },
    { name: "nothing anywhere", found: [undefined, undefined], complaint: `${KEY} is not there` },
    { name: "noise", found: ["noise", "noise"], complaint: `${KEY} is not what was written: noise` },
  ]
) {
  Deno.test(`complaintAbout() a key with ${name}`, () => assertEquals(complaintAbout(KEY, found), complaint));
}

Deno.test("readValue() given the answers of each API, then finds the value", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  assertEquals(readValue("mydht", bytes(VALUE)), VALUE);
  assertEquals(
    readValue("etcd2", bytes(JSON.stringify({ action: "get", node: { key: "/k", value: VALUE } }))),
    VALUE,
  );
  assertEquals(readValue("etcd3", bytes(JSON.stringify({ kvs: [{ value: btoa(VALUE) }] }))), VALUE);
  assertEquals(readValue("etcd3", bytes("{}")), undefined);
});

Deno.test("putRequest() of each API, then says how long its body is", () => {
  for (const api of ["mydht", "etcd2", "etcd3"] as const) {
    const [head = "", body = ""] = new TextDecoder().decode(putRequest(api, KEY, VALUE)).split("\r\n\r\n");
    assertEquals(Number(/Content-Length: (\d+)/.exec(head)?.[1]), body.length, api);
  }
});
