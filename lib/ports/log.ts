/** How much an event matters: to nobody but a developer, to the curious, to the operator soon, to the operator now. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Facts of an event. Keys are camelCase and end in their unit. */
export type LogFields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** Where a node tells what happens to it, one line per event of note. */
export interface Log {
  /** `message` is one sentence for people, without a full stop; `event` a stable snake_case name for machines. */
  event(level: LogLevel, event: string, message: string, fields?: LogFields): void;
}
