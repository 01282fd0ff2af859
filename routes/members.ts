import type { JoinBody, RingAnswer } from "../lib/api.ts";
import type { RingView } from "../lib/node/service.ts";
import type { Call } from "./call.ts";
import { HttpProblem } from "./problem.ts";
import { readBody } from "./request_body.ts";
import { json } from "./respond.ts";
import { choice, parseQuery } from "./target.ts";

const JOIN_BODY_MAX_BYTES = 16 * 1024;
const ADDRESS = /^(?:[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\]):(\d{1,5})$/i;
/** As `lib/config.ts` has it. */
const ZONE = /^[A-Za-z0-9._-]{1,64}$/;
const STORE_ID = /^[\w.-]{1,128}$/;

/** `GET /nodes`: the ring as this node sees it. */
export function showRing({ deps }: Call): Response {
  return json(ringAnswer(deps.node.ring()));
}

/** `POST /nodes`: a node joins. */
export async function joinRing({ request, bodies, deps }: Call): Promise<Response> {
  requireJson(request.headers);
  const body = await readBody(bodies, request, JOIN_BODY_MAX_BYTES);
  return json(ringAnswer(await deps.node.join(parseJoin(body))));
}

/** `DELETE /nodes/{host:port}?force=true`: removes a node that is gone. */
export async function removeNode({ rest, target, deps }: Call): Promise<Response> {
  const force = choice(parseQuery(target.query), "force", ["false", "true"]) === "true";
  return json(ringAnswer(await deps.node.remove(parseAddress(rest), { force })));
}

/** The body of a ring, as every route about members gives it. */
export function ringAnswer(ring: RingView): RingAnswer {
  return {
    ring: ring.ringId,
    self: ring.self,
    replicas: ring.replicas,
    partitions: ring.partitions,
    layout: ring.layout,
    changing: ring.changing,
    nodes: ring.nodes.map((node) => ({
      address: node.address,
      url: `http://${node.address}/`,
      state: node.state,
      reachable: node.reachable,
      trouble: node.trouble ?? null,
      synced: node.synced,
      primaryPartitions: node.primaryPartitions,
      ownedPartitions: node.ownedPartitions,
      storeId: node.storeId,
      weight: node.weight,
      zone: node.zone ?? null,
    })),
  };
}

/** A missing type is taken for JSON; a form's is refused, since a page of any site can send one unasked. */
function requireJson(headers: Headers): void {
  const type = headers.get("content-type");
  if (type === null || /^application\/json[ \t]*(?:;|$)/i.test(type)) return;
  throw new HttpProblem("unsupported_media_type", "Cannot read the body: it is not said to be JSON");
}

function parseJoin(body: Uint8Array): JoinBody {
  const { address, storeId, incarnation, weight, zone } = parseObject(body);
  if (typeof address !== "string" || !isAddress(address)) throw invalidBody("address is not HOST:PORT");
  if (typeof storeId !== "string" || !STORE_ID.test(storeId)) throw invalidBody("storeId is not an id");
  if (typeof incarnation !== "number" || !Number.isSafeInteger(incarnation) || incarnation < 1) {
    throw invalidBody("incarnation is not a whole number of 1 or more");
  }
  if (weight !== undefined && !isWeight(weight)) throw invalidBody("weight is not a number from 0.01 to 100");
  if (zone !== undefined && !isZone(zone)) {
    throw invalidBody("zone is not the name of a zone");
  }
  return {
    address,
    storeId,
    incarnation,
    ...(weight === undefined ? {} : { weight }),
    ...(zone === undefined ? {} : { zone }),
  };
}

/** Whether it may be the name of a zone. */
export function isZone(value: unknown): value is string {
  return typeof value === "string" && ZONE.test(value);
}

/** Whether it may be the weight of a node. */
export function isWeight(value: unknown): value is number {
  return typeof value === "number" && value >= 0.01 && value <= 100;
}

function parseObject(body: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    if (typeof parsed === "object" && parsed !== null) return parsed as Record<string, unknown>;
  } catch {
    // Said below, in the same words as for JSON that is no object.
  }
  throw invalidBody("it is not a JSON object");
}

function invalidBody(reason: string): HttpProblem {
  return new HttpProblem("invalid_body", `Cannot let a node join: ${reason}`);
}

/** The address in a part of a URL, percent-encoded. @throws {HttpProblem} `invalid_address` */
export function parseAddress(raw: string): string {
  try {
    const address = decodeURIComponent(raw);
    if (isAddress(address)) return address;
  } catch {
    // A bad escape names no node either.
  }
  throw new HttpProblem("invalid_address", "Cannot tell which node is meant");
}

function isAddress(text: string): boolean {
  const port = Number(ADDRESS.exec(text)?.[1] ?? 0);
  return text.length <= 262 && port >= 1 && port <= 65_535;
}
