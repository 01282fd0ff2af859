import { assertEquals } from "@std/assert";
import { encode } from "@msgpack/msgpack";
import { decodeFrame, encodeFrame, FRAME_KINDS, frameHead, isFramed } from "../../lib/wire/frames.ts";

const MAC = Uint8Array.from({ length: 32 }, (_, i) => i);

for (const kind of FRAME_KINDS) {
  Deno.test(`frame given a ${kind}, then it is taken apart as it was put together`, () => {
    const counter = Number.MAX_SAFE_INTEGER - 1;
    const head = frameHead(kind, 0xfedc_ba98_7654_3210n, counter);
    const frame = decodeFrame(encodeFrame(head, MAC, Uint8Array.of(7, 8)))!;
    assertEquals([frame.kind, frame.session, frame.counter], [kind, 0xfedc_ba98_7654_3210n, counter]);
    assertEquals([frame.head, frame.mac, frame.body], [head, MAC.subarray(0, 16), Uint8Array.of(7, 8)]);
  });
}

Deno.test("frame given it stands within a buffer, then it is read from there", () => {
  const frame = encodeFrame(frameHead("message", 1n, 2), MAC, new Uint8Array());
  const buffer = new Uint8Array(frame.length + 5);
  buffer.set(frame, 3);
  assertEquals(decodeFrame(buffer.subarray(3, 3 + frame.length))?.counter, 2);
});

const whole = encodeFrame(frameHead("message", 1n, 2), MAC, new Uint8Array());
const others: [string, Uint8Array][] = [
  ["nothing", new Uint8Array()],
  ["MessagePack", encode([1, "x"])],
  ["a frame that is cut off", whole.subarray(0, whole.length - 1)],
  ["an unknown kind", whole.with(1, 99)],
  ["kind 0", whole.with(1, 0)],
  ["a counter that is no whole number", whole.with(10, 0xff)],
];
for (const [name, bytes] of others) {
  Deno.test(`frame given ${name}, then it is none`, () => assertEquals(decodeFrame(bytes), undefined));
}

Deno.test("message given any of them, then it does not begin as a frame", () => {
  assertEquals([isFramed(encode([1])), isFramed(new Uint8Array()), isFramed(whole)], [false, false, true]);
});
