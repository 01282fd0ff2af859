import { projectPath, resolveSpecifier } from "./project_path.ts";

/** A part of the program, and what it may know of the others. */
interface Layer {
  readonly name: string;
  /** Files of it: paths inside the project, or directories with a slash behind. The first layer that matches counts. */
  readonly files: readonly string[];
  /** Names of the layers it may import from; its own is understood. */
  readonly imports: readonly string[];
  /** Packages it may import; absent: any. */
  readonly packages?: RegExp;
}

/** Packages that compute and do nothing else. */
const PURE_PACKAGES = /^(@std\/|hash-wasm$|@msgpack\/msgpack$)/;
const PURE_PACKAGES_AND_HASHES = /^(@std\/|hash-wasm$|@msgpack\/msgpack$|node:crypto$)/;

/** The layers, from the inside out. What is in none of them (tests, tools) may import anything. */
export const LAYERS: readonly Layer[] = [
  { name: "core", files: ["lib/core/"], imports: [], packages: PURE_PACKAGES },
  { name: "ports", files: ["lib/ports/"], imports: ["core"], packages: PURE_PACKAGES },
  {
    name: "wire",
    files: ["lib/wire.ts", "lib/wire/"],
    imports: ["core", "ports", "shared"],
    packages: PURE_PACKAGES,
  },
  {
    name: "node",
    files: ["lib/node/"],
    imports: ["core", "ports", "wire", "shared"],
    packages: PURE_PACKAGES_AND_HASHES,
  },
  { name: "adapters", files: ["lib/adapters/"], imports: ["core", "ports", "wire", "shared"] },
  { name: "routes", files: ["routes/"], imports: ["node", "core", "ports", "wire", "shared"] },
  { name: "client", files: ["lib/client.ts", "lib/client/", "lib/cli/"], imports: ["ports", "shared"] },
  { name: "config", files: ["lib/config.ts"], imports: ["client", "core", "shared"] },
  { name: "shared", files: ["lib/"], imports: [] },
  { name: "cli.ts", files: ["cli.ts"], imports: ["client", "shared"] },
  {
    name: "main.ts",
    files: ["main.ts"],
    imports: ["adapters", "client", "config", "core", "node", "ports", "routes", "shared", "wire"],
  },
];

/** The one door from the client to the node: `mydht node`. */
const DYNAMIC_DOOR = { from: "cli.ts", to: "main.ts" };

/** Imports point one way: routes -> node -> core, ports <- adapters; the client knows nothing of a node's inside. */
export const layersRule: Deno.lint.Rule = {
  create(context) {
    const path = projectPath(context.filename);
    const layer = layerOf(path);
    if (layer === undefined) return {};
    const check = (node: Deno.lint.Node, source: Deno.lint.Node | null, dynamic = false) => {
      if (source === null) return;
      const message = source.type === "Literal" && typeof source.value === "string"
        ? complaint(layer, path, source.value, dynamic)
        : "What is imported must be written out, so that bundles and binaries contain it";
      if (message !== undefined) context.report({ node, message });
    };
    return {
      ImportDeclaration: (node) => check(node, node.source),
      ExportAllDeclaration: (node) => check(node, node.source),
      ExportNamedDeclaration: (node) => check(node, node.source),
      ImportExpression: (node) => check(node, node.source, true),
    };
  },
};

function layerOf(path: string): Layer | undefined {
  return LAYERS.find(({ files }) => files.some((f) => f.endsWith("/") ? path.startsWith(f) : path === f));
}

function complaint(layer: Layer, path: string, specifier: string, dynamic: boolean): string | undefined {
  if (!/^\.{0,2}\//.test(specifier)) {
    return layer.packages?.test(specifier) === false
      ? `${layer.name} imports only packages that compute and do nothing else, not ${specifier}`
      : undefined;
  }
  const target = resolveSpecifier(path, specifier);
  if (dynamic && path === DYNAMIC_DOOR.from && target === DYNAMIC_DOOR.to) return undefined;
  const to = layerOf(target)?.name ?? "no layer";
  if (to === layer.name || layer.imports.includes(to)) return undefined;
  // The version in deno.json, and the like.
  if (target.endsWith(".json")) return undefined;
  return `${layer.name} must not import ${target} (${to}): imports point one way`;
}
