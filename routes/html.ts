/** Markup that is safe to send: only `markup` and `trusted` make it. */
export class Html {
  constructor(readonly text: string) {}
}

/** What `markup` takes in its gaps: texts and numbers are escaped, nothing is left out. */
export type HtmlPart = Html | string | number | undefined | false | readonly HtmlPart[];

/**
 * Builds markup in which everything that is not itself markup is escaped, so that
 * forgetting to escape is not possible. Gaps in attributes must stand in quotes.
 */
export function markup(literals: TemplateStringsArray, ...parts: readonly HtmlPart[]): Html {
  let text = literals[0] ?? "";
  parts.forEach((part, index) => text += render(part) + (literals[index + 1] ?? ""));
  return new Html(text);
}

/** Takes text of our own, such as a style sheet, as it is. Never for what anybody else wrote. */
export function trusted(text: string): Html {
  return new Html(text);
}

function render(part: HtmlPart): string {
  if (part instanceof Html) return part.text;
  if (part === undefined || part === false) return "";
  if (typeof part === "object") return part.map(render).join("");
  return escapeText(`${part}`);
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}
