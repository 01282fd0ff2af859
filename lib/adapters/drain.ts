/**
 * Lets the requests under way finish before a server is shut down, and refuses those that come meanwhile.
 *
 * `Deno.serve` stops reading the bodies of requests when it is shut down; answers that are being sent it finishes.
 */
export class Drain {
  #underWay = 0;
  #ended: PromiseWithResolvers<void> | undefined;

  /** Answers a request, unless the end has come. An answer that is there at once is never under way. */
  run(answer: () => Response | Promise<Response>): Response | Promise<Response> {
    if (this.#ended !== undefined) return stopping();
    const answered = answer();
    return answered instanceof Promise ? this.#counted(answered) : answered;
  }

  #counted(answered: Promise<Response>): Promise<Response> {
    this.#underWay++;
    const over = (): void => {
      this.#underWay--;
      this.#settle();
    };
    answered.then(over, over);
    return answered;
  }

  /** Refuses every request from now on; resolves once none is under way. */
  end(): Promise<void> {
    this.#ended ??= Promise.withResolvers<void>();
    this.#settle();
    return this.#ended.promise;
  }

  #settle(): void {
    if (this.#underWay === 0) this.#ended?.resolve();
  }
}

function stopping(): Response {
  const headers = { "retry-after": "5", "connection": "close" };
  return new Response("The node is stopping\n", { status: 503, headers });
}
