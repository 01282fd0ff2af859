import { ambientRule, silenceRule } from "./ambient.ts";
import { layersRule } from "./layers.ts";

/** The rules of MyDHT's own house, for `deno lint`. */
export default {
  name: "mydht",
  rules: { "no-ambient": ambientRule, "no-print": silenceRule, "layers": layersRule },
} satisfies Deno.lint.Plugin;
