import { encodeBase64 } from "@std/encoding/base64";

/** How a store is spoken to: MyDHT, etcd by its v2 API, etcd by the JSON gateway of its v3 API. */
export type Api = "mydht" | "etcd2" | "etcd3";

/** Bytes of a value; as `load.lua` has it. */
export const VALUE_BYTES = 100;
const utf8 = new TextEncoder();

/** Name of the key of that number; as `load.lua` has it. */
export function keyName(number: number): string {
  return `k${String(number).padStart(8, "0")}`;
}

/** A value of a key; as `load.lua` has it. */
export function valueOf(key: string, salt: string): string {
  return `${key}.${salt}.`.padEnd(VALUE_BYTES, "x");
}

/** Whether that is a value somebody wrote to that key, whole. */
export function isValueOf(key: string, value: string): boolean {
  return value.length === VALUE_BYTES && value.startsWith(`${key}.`) &&
    /^[0-9a-z]+\.x*$/.test(value.slice(key.length + 1));
}

/** The bytes of a request that writes; as `load.lua` has it. */
export function putRequest(api: Api, key: string, value: string, query = ""): Uint8Array {
  switch (api) {
    case "mydht":
      return raw("PUT", withQuery(`/keys/${key}`, query), value);
    case "etcd2":
      return raw(
        "PUT",
        withQuery(`/v2/keys/${key}`, query),
        `value=${value}`,
        "application/x-www-form-urlencoded",
      );
    case "etcd3":
      return raw(
        "POST",
        "/v3/kv/put",
        JSON.stringify({ key: base64(key), value: base64(value) }),
        "application/json",
      );
  }
}

/** The bytes of a request that reads; as `load.lua` has it. */
export function getRequest(api: Api, key: string, query = ""): Uint8Array {
  switch (api) {
    case "mydht":
      return raw("GET", withQuery(`/keys/${key}`, query));
    case "etcd2":
      return raw("GET", withQuery(`/v2/keys/${key}`, query));
    case "etcd3":
      return raw("POST", "/v3/kv/range", JSON.stringify({ key: base64(key) }), "application/json");
  }
}

/** The value in a good answer to a request that reads; undefined where the key has none. */
export function readValue(api: Api, body: Uint8Array<ArrayBuffer>): string | undefined {
  const text = new TextDecoder().decode(body);
  switch (api) {
    case "mydht":
      return text;
    case "etcd2":
      return JSON.parse(text).node?.value;
    case "etcd3": {
      const value: string | undefined = JSON.parse(text).kvs?.[0]?.value;
      return value === undefined ? undefined : atob(value);
    }
  }
}

function raw(method: string, path: string, body?: string, type?: string): Uint8Array {
  const head = `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n`;
  if (body === undefined) return utf8.encode(`${head}\r\n`);
  const typed = type === undefined ? head : `${head}Content-Type: ${type}\r\n`;
  return utf8.encode(`${typed}Content-Length: ${body.length}\r\n\r\n${body}`);
}

function withQuery(path: string, query: string): string {
  return query === "" ? path : `${path}?${query}`;
}

function base64(text: string): string {
  return encodeBase64(utf8.encode(text));
}
