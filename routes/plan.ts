import type { PlanAnswer } from "../lib/api.ts";
import type { PlannedChange } from "../lib/core/plan.ts";
import type { Call } from "./call.ts";
import { isWeight, isZone, parseAddress } from "./members.ts";
import { HttpProblem } from "./problem.ts";
import { json } from "./respond.ts";
import { parseQuery, type Query } from "./target.ts";

/** Stands for the node to come where it has no name yet; where it will lie depends on its name. */
const SOME_NODE = "new-node:50140";
const KINDS = ["join", "leave", "remove", "weight"] as const;

/** `GET /plan?change=join|leave|remove|weight&node=HOST:PORT&weight=W&zone=Z`: what that would move. */
export async function showPlan({ target, deps }: Call): Promise<Response> {
  const answer: PlanAnswer = await deps.node.plan(plannedChange(parseQuery(target.query)));
  return json(answer);
}

function plannedChange(query: Query): PlannedChange {
  const kind = KINDS.find((word) => word === query.get("change"));
  if (kind === undefined) throw badQuery(`change= must be one of ${KINDS.join(", ")}`);
  const node = query.get("node");
  if (node === undefined && kind !== "join") throw badQuery(`change=${kind} needs node=HOST:PORT`);
  const address = node === undefined ? SOME_NODE : parseAddress(encodeURIComponent(node));
  const weight = weightOf(query);
  const zone = query.get("zone");
  if (zone !== undefined && !isZone(zone)) throw badQuery(`zone=${zone} is not the name of a zone`);
  if (kind === "join") {
    return {
      kind,
      address,
      ...(weight === undefined ? {} : { weight }),
      ...(zone === undefined ? {} : { zone }),
    };
  }
  if (kind !== "weight") return { kind, address };
  if (weight === undefined) throw badQuery("change=weight needs weight=W");
  return { kind, address, weight };
}

function weightOf(query: Query): number | undefined {
  const text = query.get("weight");
  if (text === undefined) return undefined;
  const weight = text === "" ? NaN : Number(text);
  if (!isWeight(weight)) throw badQuery(`weight=${text} is not a number from 0.01 to 100`);
  return weight;
}

function badQuery(reason: string): HttpProblem {
  return new HttpProblem("invalid_query", `Cannot plan: ${reason}`);
}
