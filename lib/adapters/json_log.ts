import type { Log, LogFields, LogLevel } from "../ports/log.ts";

/** Where and how a log is written. */
export interface LogOptions {
  /** For people, or for machines. */
  readonly format: "text" | "json";
  /** Takes one line with its newline; must not throw. */
  readonly write: (line: string) => void;
  readonly nowMs: () => number;
  /** Events below it are dropped; by default "info". */
  readonly least?: LogLevel;
  /** Whether text is coloured; see `wantsColor`. */
  readonly color?: boolean;
}

/**
 * A log of one line per event, whatever the texts of the event hold.
 *
 * As text: `2026-11-22 17:20:11 info  message  key=value`, in local time. As
 * JSON: an object with `time` (ISO 8601, UTC), `level`, `event`, `message` and `fields`.
 */
export function createLog(options: LogOptions): Log {
  const least = LEVELS.indexOf(options.least ?? "info");
  const format = options.format === "json" ? jsonLine : options.color ? colorLine : textLine;
  return {
    event(level, event, message, fields = {}) {
      if (LEVELS.indexOf(level) < least) return;
      options.write(format({ timeMs: options.nowMs(), level, event, message, fields }) + "\n");
    },
  };
}

/**
 * Whether output is to be coloured: on a terminal, unless the environment's
 * `NO_COLOR` is set to anything but the empty string (no-color.org).
 */
export function wantsColor(output: { isTerminal(): boolean }, noColor: string | undefined): boolean {
  return output.isTerminal() && !noColor;
}

/** Writes whole lines to an output, and drops what it no longer takes: a node outlives the reader of its log. */
export function lineWriter(output: { writeSync(bytes: Uint8Array): number }): (line: string) => void {
  const encoder = new TextEncoder();
  return (line) => {
    try {
      let rest = encoder.encode(line);
      while (rest.length > 0) rest = rest.subarray(output.writeSync(rest));
    } catch {
      // The reader has gone.
    }
  };
}

interface LogEvent {
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly event: string;
  readonly message: string;
  readonly fields: LogFields;
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
const LEVEL_COLORS: Readonly<Record<LogLevel, string>> = {
  debug: "\x1b[2m",
  info: "\x1b[32m",
  warn: "\x1b[33m",
  error: "\x1b[31m",
};
const DIM = "\x1b[2m";
const PLAIN = "\x1b[0m";

function jsonLine({ timeMs, level, event, message, fields }: LogEvent): string {
  return withoutControls(
    JSON.stringify({ time: new Date(timeMs).toISOString(), level, event, message, fields }),
  );
}

function textLine({ timeMs, level, message, fields }: LogEvent): string {
  return `${localTime(timeMs)} ${level.padEnd(5)} ${withoutControls(message)}${fieldsText(fields)}`;
}

function colorLine({ timeMs, level, message, fields }: LogEvent): string {
  const coloredLevel = `${LEVEL_COLORS[level]}${level.padEnd(5)}${PLAIN}`;
  const text = withoutControls(message);
  return `${DIM}${localTime(timeMs)}${PLAIN} ${coloredLevel} ${text}${DIM}${fieldsText(fields)}${PLAIN}`;
}

function fieldsText(fields: LogFields): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `  ${key}=${valueText(Array.isArray(value) ? value.join(",") : String(value))}`)
    .join("");
}

/** Quoted where it would not be read back as one value. */
function valueText(value: string): string {
  return withoutControls(value === "" || /[\s"=]/.test(value) ? JSON.stringify(value) : value);
}

/** Control characters and line ends, escaped: a value of a client must neither add a line nor drive the terminal. */
function withoutControls(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, (control) => {
    if (control === "\n") return "\\n";
    return `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

function localTime(timeMs: number): string {
  const time = new Date(timeMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ` +
    `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}
