/** The part of `cli-progress` that MyDHT uses; the package has no declarations of its own. */
interface Options {
  format: string;
  stream: unknown;
  barsize: number;
  barCompleteChar: string;
  barIncompleteChar: string;
  clearOnComplete: boolean;
  hideCursor: boolean;
}

declare class SingleBar {
  constructor(options: Options);
  start(total: number, startValue: number, payload: { text: string }): void;
  update(value: number, payload: { text: string }): void;
  stop(): void;
}

declare const cliProgress: { readonly SingleBar: typeof SingleBar };
export default cliProgress;
