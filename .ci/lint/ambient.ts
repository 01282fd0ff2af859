import { projectPath } from "./project_path.ts";

/** Where time, chance and I/O are passed in through ports. */
const PURE_FILES = /^lib\/(core|node|ports)\//;
/** Where nothing prints by itself: the log, or the caller, does. */
const SILENT_FILES = /^(lib\/(?!cli\/)|routes\/)/;

/** Objects that reach outside of the program by any of their members. */
const AMBIENT_OBJECTS: ReadonlySet<string> = new Set([
  "Deno",
  "caches",
  "console",
  "crypto",
  "globalThis",
  "localStorage",
  "navigator",
  "performance",
  "process",
  "sessionStorage",
]);
const AMBIENT_MEMBERS: ReadonlySet<string> = new Set(["AbortSignal.timeout", "Date.now", "Math.random"]);
/** Functions that read time or chance, wait, or reach outside. */
const AMBIENT_FUNCTIONS: ReadonlySet<string> = new Set([
  "Date",
  "alert",
  "clearInterval",
  "clearTimeout",
  "confirm",
  "fetch",
  "prompt",
  "setImmediate",
  "setInterval",
  "setTimeout",
]);
const AMBIENT_CLASSES: ReadonlySet<string> = new Set([
  "BroadcastChannel",
  "EventSource",
  "WebSocket",
  "Worker",
  "XMLHttpRequest",
]);
/** All that a pure file may take from `node:crypto`: hashes are synchronous and depend on their input alone. */
const PURE_CRYPTO: ReadonlySet<string> = new Set(["Hash", "createHash", "timingSafeEqual"]);

/** No ambient time, chance or I/O in the core, the drivers and the ports: a cluster could not be replayed. */
export const ambientRule: Deno.lint.Rule = {
  create(context) {
    if (!PURE_FILES.test(projectPath(context.filename))) return {};
    const report = (node: Deno.lint.Node, what: string) =>
      context.report({ node, message: `${what} is ambient: take it from a port`, hint: "See lib/ports/" });
    return {
      MemberExpression(node) {
        const what = ambientMember(node);
        if (what !== undefined) report(node, what);
      },
      CallExpression(node) {
        for (const used of [node.callee, ...node.arguments]) reportName(used, report);
      },
      NewExpression(node) {
        if (node.callee.type !== "Identifier") return;
        const { name } = node.callee;
        if (name === "Date" && node.arguments.length === 0) report(node, "new Date()");
        if (AMBIENT_CLASSES.has(name)) report(node, name);
        node.arguments.forEach((used) => reportName(used, report));
      },
      VariableDeclarator: (node) => reportName(node.init, report),
      // `{ fetch }` in a pattern declares a name of its own.
      Property: (node) => node.parent.type === "ObjectPattern" || reportName(node.value, report),
      PropertyDefinition: (node) => reportName(node.value, report),
      AssignmentPattern: (node) => reportName(node.right, report),
      AssignmentExpression: (node) => reportName(node.right, report),
      ArrowFunctionExpression: (node) => reportName(node.body, report),
      ReturnStatement: (node) => reportName(node.argument, report),
      ImportDeclaration(node) {
        if (node.source.value !== "node:crypto") return;
        for (const specifier of node.specifiers) {
          const { name } = specifier.local;
          if (!PURE_CRYPTO.has(name)) report(specifier, `${name} of node:crypto`);
        }
      },
    };
  },
};

/** Nothing in `lib` and `routes` prints, the terminal program in `lib/cli` apart: events go to the log. */
export const silenceRule: Deno.lint.Rule = {
  create(context) {
    if (!SILENT_FILES.test(projectPath(context.filename))) return {};
    return {
      MemberExpression(node) {
        if (node.object.type !== "Identifier" || node.object.name !== "console") return;
        context.report({
          node,
          message: "Only main.ts, cli.ts and lib/cli print: use the log, or give it to the caller",
        });
      },
    };
  },
};

function ambientMember(node: Deno.lint.MemberExpression): string | undefined {
  if (node.object.type !== "Identifier") return undefined;
  const { name } = node.object;
  const member = node.property.type === "Identifier" ? `${name}.${node.property.name}` : name;
  return AMBIENT_OBJECTS.has(name) || AMBIENT_MEMBERS.has(member) ? member : undefined;
}

/** A global function handed on under another name is as ambient as one that is called. */
function reportName(
  node: Deno.lint.Node | null | undefined,
  report: (node: Deno.lint.Node, what: string) => void,
): void {
  if (node?.type !== "Identifier") return;
  if (AMBIENT_FUNCTIONS.has(node.name) || AMBIENT_OBJECTS.has(node.name)) report(node, node.name);
}
