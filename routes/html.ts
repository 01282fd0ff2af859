/** Markup that is safe to send: only `html` makes it. */
export class Html {
  constructor(readonly markup: string) {}
}

/** What `html` takes in its gaps: texts and numbers are escaped, nothing is left out. */
export type HtmlPart = Html | string | number | undefined | false | readonly HtmlPart[];

/**
 * Builds markup in which everything that is not itself made by `html` is escaped,
 * so that forgetting to escape is not possible. Gaps in attributes must stand in quotes.
 */
export function html(literals: TemplateStringsArray, ...parts: readonly HtmlPart[]): Html {
  let markup = literals[0] ?? "";
  parts.forEach((part, index) => markup += render(part) + (literals[index + 1] ?? ""));
  return new Html(markup);
}

function render(part: HtmlPart): string {
  if (part instanceof Html) return part.markup;
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

/** Takes text of our own, such as a style sheet, as it is. Never for what anybody else wrote. */
export function trusted(markup: string): Html {
  return new Html(markup);
}
