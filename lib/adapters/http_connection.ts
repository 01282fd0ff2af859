import { PEER_PATH } from "../api.ts";
import { AnswerParser, type HttpAnswer } from "./http_answer.ts";

/** A message to a peer that waits for its answer. */
export interface HttpCall {
  readonly message: Uint8Array;
  /** Bytes of the longest answer taken. */
  readonly answerMaxBytes: number;
  succeed(answer: HttpAnswer): void;
  fail(error: unknown): void;
}

/** Told what becomes of a connection. */
export interface ConnectionOwner {
  /** It can carry another call. */
  ready(connection: HttpConnection): void;
  /** It is no more; called once. */
  ended(connection: HttpConnection): void;
}

/** Bytes read at a time where no longer body is known to come. */
const READ_BYTES = 16 * 1024;
/** How long a peer that has answered already may take for the rest of the message. */
const UNSENT_MS = 5_000;

/** A message up to so many bytes is sent in one piece with its head. */
const ONE_PIECE_MAX_BYTES = 64 * 1024;

const encoder = new TextEncoder();

/** The part of a request's head that is the same for all messages to an address. */
export function requestHead(address: string): Uint8Array {
  return encoder.encode(
    `POST ${PEER_PATH} HTTP/1.1\r\nhost: ${address}\r\ncontent-type: application/octet-stream\r\ncontent-length: `,
  );
}

/**
 * One kept-alive HTTP/1.1 connection to a peer: one POST after the other.
 *
 * A read is always under way, so that the end of an idle connection is noticed before a message is lost on it.
 * After any failure it is closed.
 */
export class HttpConnection {
  readonly #socket: Deno.TcpConn;
  readonly #head: Uint8Array;
  readonly #owner: ConnectionOwner;
  readonly #buffer = new Uint8Array(READ_BYTES);
  #call: HttpCall | undefined;
  #parser: AnswerParser | undefined;
  /** Whether a part of the last message has yet to be sent. */
  #isSending = false;
  /** Ends a connection whose peer has answered and does not take the rest of the message. */
  #giveUp: ReturnType<typeof setTimeout> | undefined;
  #isOpen = true;
  /** When it became ready last, by `performance.now()`. */
  readySinceMs = 0;

  /** @param head Of `requestHead`. */
  constructor(socket: Deno.TcpConn, head: Uint8Array, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#head = head;
    this.#owner = owner;
    void this.#receive();
  }

  /** Sends a message; only while it is ready. */
  send(call: HttpCall): void {
    this.#call = call;
    this.#parser = new AnswerParser(call.answerMaxBytes);
    this.#isSending = true;
    const { message } = call;
    const lengthLine = encoder.encode(`${message.length}\r\n\r\n`);
    const isOnePiece = message.length <= ONE_PIECE_MAX_BYTES;
    const headBytes = this.#head.length + lengthLine.length;
    const first = new Uint8Array(headBytes + (isOnePiece ? message.length : 0));
    first.set(this.#head);
    first.set(lengthLine, this.#head.length);
    if (isOnePiece) first.set(message, headBytes);
    void this.#write(first, isOnePiece ? undefined : message);
  }

  /** Closes it; a call under way on it has been told already. Calling it again does nothing. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#call = undefined;
    clearTimeout(this.#giveUp);
    this.#socket.close();
    this.#owner.ended(this);
  }

  async #write(first: Uint8Array, second: Uint8Array | undefined): Promise<void> {
    try {
      for (let at = 0; at < first.length;) at += await this.#socket.write(first.subarray(at));
      for (let at = 0; second !== undefined && at < second.length;) {
        at += await this.#socket.write(second.subarray(at));
      }
    } catch (error) {
      return this.#fail(error);
    }
    this.#isSending = false;
    clearTimeout(this.#giveUp);
    // The peer may answer before it has read all there is.
    if (this.#isOpen && this.#call === undefined) this.#becomeReady();
  }

  async #receive(): Promise<void> {
    try {
      while (this.#isOpen) {
        const room = this.#parser?.room;
        const count = await this.#socket.read(room ?? this.#buffer);
        if (!this.#isOpen) return;
        if (count === null) throw new Error("connection closed before message completed");
        this.#take(room === undefined ? this.#buffer.subarray(0, count) : count);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #take(data: Uint8Array | number): void {
    const parser = this.#parser;
    if (parser === undefined || this.#call === undefined) {
      throw new Error("invalid HTTP: an answer to nothing");
    }
    if (typeof data === "number") parser.filled(data);
    else parser.feed(data);
    if (parser.answer !== undefined) this.#answered(this.#call, parser, parser.answer);
  }

  #answered(call: HttpCall, parser: AnswerParser, answer: HttpAnswer): void {
    this.#call = undefined;
    this.#parser = undefined;
    if (!parser.isReusable) this.close();
    else if (!this.#isSending) this.#becomeReady();
    else this.#giveUp = setTimeout(() => this.close(), UNSENT_MS);
    call.succeed(answer);
  }

  #becomeReady(): void {
    this.readySinceMs = performance.now();
    this.#owner.ready(this);
  }

  #fail(error: unknown): void {
    const call = this.#call;
    this.close();
    call?.fail(error);
  }
}
