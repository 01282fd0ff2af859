import { assertEquals, assertThrows } from "@std/assert";
import { AnswerParser, AnswerTooLong } from "../../lib/adapters/http_answer.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes);

/** Feeds an answer in pieces of that size, as a connection does. */
function parsed(text: string, pieceBytes: number, maxBytes = 1_000): AnswerParser {
  const parser = new AnswerParser(maxBytes);
  const data = bytesOf(text);
  for (let at = 0; at < data.length; at += pieceBytes) {
    const piece = data.slice(at, at + pieceBytes);
    const { room } = parser;
    if (room === undefined) {
      parser.feed(piece);
      piece.fill(0);
    } else {
      const here = piece.subarray(0, room.length);
      room.set(here);
      parser.filled(here.length);
      if (here.length < piece.length) parser.feed(piece.slice(here.length));
    }
  }
  return parser;
}

const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const answers: [string, string, number, string | undefined, boolean][] = [
  ["with a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\ndate: now\r\n\r\nhello", 200, "hello", true],
  ["that is empty", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, "", true],
  ["in chunks", `${CHUNKED}3\r\nabc\r\n00a;x=y\r\n0123456789\r\n0\r\n\r\n`, 200, "abc0123456789", true],
  [
    "with one length twice",
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nContent-Length:1 \r\n\r\na",
    200,
    "a",
    true,
  ],
  ["in chunks, with trailers", `${CHUNKED}1\r\na\r\n0\r\nsum: 1\r\n\r\n`, 200, "a", true],
  [
    "behind an interim one",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na",
    200,
    "a",
    true,
  ],
  ["that closes", "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\na", 200, "a", false],
  ["of the old protocol", "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na", 200, "a", false],
  ["without a body", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", true],
  ["that refuses without a length", "HTTP/1.1 502 Bad Gateway\r\n\r\n", 502, undefined, false],
  [
    "that refuses at length",
    "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 99999\r\n\r\n",
    502,
    undefined,
    false,
  ],
];
for (const [what, text, status, body, isReusable] of answers) {
  Deno.test(`AnswerParser given an answer ${what}, in pieces of any size, then reads it`, () => {
    for (const pieceBytes of [1, 2, 3, 7, 50, 1_000]) {
      const parser = parsed(text, pieceBytes);
      assertEquals(parser.answer?.status, status);
      assertEquals(textOf(parser.answer?.body), body);
      assertEquals(parser.isReusable, isReusable);
    }
  });
}

Deno.test("AnswerParser given bytes behind an answer, then the connection is of no use any more", () => {
  const parser = parsed("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\naHTTP", 1_000);
  assertEquals([textOf(parser.answer?.body), parser.isReusable], ["a", false]);
});

const broken: [string, string][] = [
  ["another protocol", "SSH-2.0-x\r\n"],
  ["a head without end", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(70_000)}`],
  ["a length that is none", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"],
  ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 1\r\n\r\nhello"],
  ["a length beside chunks", `${CHUNKED.trimEnd()}\r\ncontent-length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n`],
  ["an encoding that is unknown", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
  ["no length", "HTTP/1.1 200 OK\r\n\r\nhello"],
  ["a chunk that is none", `${CHUNKED}xyz\r\n`],
  ["a chunk whose length is no number", `${CHUNKED}0x5\r\nhello\r\n0\r\n\r\n`],
  ["rubbish behind a chunk", `${CHUNKED}5\r\nhelloxx0\r\n\r\n`],
  ["a chunk with half a line end", `${CHUNKED}5\r\nhello\rx0\r\n\r\n`],
  ["a chunk line without end", `${CHUNKED}${"0".repeat(70_000)}`],
];
for (const [what, text] of broken) {
  Deno.test(`AnswerParser given ${what}, then refuses it`, () => {
    for (const pieceBytes of [7, 1_000]) {
      assertThrows(() => parsed(text, pieceBytes), Error, "invalid HTTP");
    }
  });
}

for (const long of ["content-length: 11\r\n\r\n", "transfer-encoding: chunked\r\n\r\n6\r\nabcdef\r\n5\r\n"]) {
  Deno.test(`AnswerParser given more than is taken, as ${long.split(":")[0]} says, then refuses it`, () => {
    assertThrows(() => parsed(`HTTP/1.1 200 OK\r\n${long}`, 1_000, 10), AnswerTooLong);
  });
}
