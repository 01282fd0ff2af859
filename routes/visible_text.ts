import { type Html, markup } from "./html.ts";

/** Characters of a key that are shown; what is left out is told. */
const SHOWN_CHARACTERS = 120;
const SHOWN_AT_END = 24;

/** Controls, bidirectional and invisible characters: they would change how the rest of the page reads. */
const HIDDEN = /([\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u00a0])/u;

/**
 * Shows a text that anybody may have chosen: kept apart from the direction of the text around it, what is
 * invisible made visible, and the middle of a very long one left out.
 */
export function visibleText(text: string): Html {
  const characters = [...text];
  if (characters.length <= SHOWN_CHARACTERS) return markup`<bdi>${marked(text)}</bdi>`;
  const start = characters.slice(0, SHOWN_CHARACTERS - SHOWN_AT_END).join("");
  const end = characters.slice(-SHOWN_AT_END).join("");
  const left = characters.length - SHOWN_CHARACTERS;
  return markup`<bdi>${marked(start)}<span class="mark">… ${left} more …</span>${marked(end)}</bdi>`;
}

function marked(text: string): readonly (Html | string)[] {
  return text.split(HIDDEN).map((part) =>
    HIDDEN.test(part) ? markup`<span class="mark">${nameOf(part)}</span>` : part
  );
}

/** Control pictures exist for ASCII; the others go by their number. */
function nameOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return code === 0x7f ? "\u2421" : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
