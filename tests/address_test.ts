import { assertEquals, assertThrows } from "@std/assert";
import {
  formatAddress,
  isAnyHost,
  isBlockedPort,
  isLoopbackHost,
  parseAddress,
  parseHost,
  parsePort,
} from "../lib/address.ts";

const GOOD: readonly (readonly [text: string, defaultPort: number | undefined, written: string])[] = [
  ["localhost:50140", undefined, "localhost:50140"],
  ["LocalHost:50140", undefined, "localhost:50140"],
  ["my_node-1.example:65535", undefined, "my_node-1.example:65535"],
  ["127.0.0.1:1024", undefined, "127.0.0.1:1024"],
  ["[::1]:50140", undefined, "[::1]:50140"],
  ["[0:0:0:0:0:0:0:1]:50140", undefined, "[::1]:50140"],
  ["[2001:DB8::1]:50140", undefined, "[2001:db8::1]:50140"],
  ["bücher.example:50140", undefined, "xn--bcher-kva.example:50140"],
  ["localhost", 50140, "localhost:50140"],
  ["[::1]", 50140, "[::1]:50140"],
  ["localhost:50141", 50140, "localhost:50141"],
];

Deno.test("parseAddress() given an address, then names it in one way only", () => {
  for (const [text, defaultPort, written] of GOOD) {
    const options = defaultPort === undefined ? {} : { defaultPort };
    assertEquals(formatAddress(parseAddress(text, options)), written, text);
  }
});

const BAD: readonly (readonly [text: string, message: string])[] = [
  ["", '"" is not HOST:PORT, as in localhost:50140'],
  ["localhost", '"localhost" is not HOST:PORT, as in localhost:50140'],
  [":50140", '":50140" is not HOST:PORT, as in localhost:50140'],
  ["localhost:", '"" is not a port: 1 to 65535'],
  ["localhost:0", '"0" is not a port: 1 to 65535'],
  ["localhost:65536", '"65536" is not a port: 1 to 65535'],
  ["localhost:-1", '"-1" is not a port: 1 to 65535'],
  ["localhost:1e3", '"1e3" is not a port: 1 to 65535'],
  ["localhost:6000", "port 6000 is one that browsers and fetch refuse to connect to: take another"],
  ["::1", '"::1": write an IPv6 address in brackets, as in [::1]:50140'],
  ["::1:50140", '"::1:50140": write an IPv6 address in brackets, as in [::1]:50140'],
  ["[::1]", '"[::1]" is not HOST:PORT, as in localhost:50140'],
  ["[nonsense]:50140", '"[nonsense]" is neither a host name nor an IP address'],
  ["[::zz]:50140", '"[::zz]" is neither a host name nor an IP address'],
  ["[fe80::1%eth0]:50140", '"[fe80::1%eth0]" is neither a host name nor an IP address'],
  ["http://localhost:50140", '"http://localhost:50140" is a URL: write only its HOST:PORT'],
  ["a b:50140", '"a b" is neither a host name nor an IP address'],
  ["a/b:50140", '"a/b" is neither a host name nor an IP address'],
  ["user@host:50140", '"user@host" is neither a host name nor an IP address'],
  ["1.2.3.256:50140", '"1.2.3.256" is neither a host name nor an IP address'],
];

Deno.test("parseAddress() given what is none, then says what is wrong with it", () => {
  for (const [text, message] of BAD) {
    assertEquals(assertThrows(() => parseAddress(text), SyntaxError).message, message, text);
  }
});

Deno.test("parseHost() given an IPv6 address with or without brackets, then gives it without", () => {
  for (const text of ["::1", "[::1]", "0::1"]) assertEquals(parseHost(text), "::1", text);
});

Deno.test("parseHost() given a host, when it is loopback or any, then it is told apart", () => {
  const rows: [string, boolean, boolean][] = [
    ["localhost", true, false],
    ["LOCALHOST", true, false],
    ["a.localhost", true, false],
    ["127.0.0.1", true, false],
    ["127.8.9.10", true, false],
    ["::1", true, false],
    ["0.0.0.0", false, true],
    ["::", false, true],
    ["[::]", false, true],
    ["10.0.0.1", false, false],
    ["localhost.example", false, false],
    ["example.org", false, false],
  ];
  for (const [text, loopback, any] of rows) {
    const host = parseHost(text);
    assertEquals([isLoopbackHost(host), isAnyHost(host)], [loopback, any], text);
  }
});

Deno.test("blocked ports given those that fetch refuses, then no other is among them", async () => {
  const neverSent = AbortSignal.abort();
  for (const port of [1, 22, 1720, 2049, 6000, 6665, 6669, 6697, 10080]) {
    assertEquals(isBlockedPort(port), true, String(port));
    const refused = await fetch(`http://127.0.0.1:${port}/`).catch((error) => String(error));
    assertEquals(String(refused).includes("are blocked"), true, String(port));
  }
  for (const port of [80, 443, 3000, 5000, 6001, 6670, 8080, 50140, 50141]) {
    assertEquals(isBlockedPort(port), false, String(port));
    const aborted = await fetch(`http://127.0.0.1:${port}/`, { signal: neverSent }).catch((error) =>
      String(error)
    );
    assertEquals(String(aborted).includes("are blocked"), false, String(port));
  }
  assertThrows(() => parsePort("6666"), SyntaxError);
});
