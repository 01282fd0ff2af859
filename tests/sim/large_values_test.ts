/** Values in chunks: their lengths, and downloads that outlive an owner or a layout. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { addressOf } from "../../lib/core/layout.ts";
import { partitionOf } from "../../lib/core/partition.ts";
import { CHUNK_BYTES, INLINE_MAX_BYTES } from "../../lib/core/record.ts";
import { CHUNKS_PER_MESSAGE } from "../../lib/node/blob_pulls.ts";
import { concatChunks } from "../../lib/node/byte_reader.ts";
import { bodyOf, makePayload, readPayload } from "./payload.ts";
import { nodeAt, runningAt, Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

const MESSAGE_BYTES = CHUNKS_PER_MESSAGE * CHUNK_BYTES;

for (
  const bytes of [
    INLINE_MAX_BYTES,
    INLINE_MAX_BYTES + 1,
    CHUNK_BYTES,
    MESSAGE_BYTES - 1,
    MESSAGE_BYTES,
    MESSAGE_BYTES + 1,
    2 * MESSAGE_BYTES,
  ]
) {
  Deno.test(`put() given a value of ${bytes} bytes, then it is read back whole`, async () => {
    const sim = new Simulation();
    const work = new Workload(sim);
    await sim.run(async () => {
      const [host] = await sim.startRing(3);
      const written = await work.put("c1", "a", { host: host!, bytes });
      assertEquals(written.outcome.kind, "acknowledged", JSON.stringify(written.outcome));
      const read = await work.get("c2", "a");
      assertEquals(read?.outcome.kind === "read" && read.outcome.value, written.value);
    });
    assertEquals(work.violations, []);
  });
}

Deno.test("quorum read given a large value that one owner missed and is slow to fetch, then it does not wait for that owner", async () => {
  let refuses = true;
  let fetches = 0;
  const sim: Simulation = new Simulation({
    tampering: {
      storage: (storage, host) => {
        const openUpload = storage.blobs.openUpload.bind(storage.blobs);
        storage.blobs.openUpload = async (id) => {
          if (!host.address.startsWith("n3:")) return await openUpload(id);
          if (refuses) throw new DhtError("disk_full", "Cannot take it");
          fetches++;
          await host.sleep(3_600_000);
        };
      },
    },
  });
  const work = new Workload(sim);
  await sim.run(async () => {
    const [, , slow] = await sim.startRing(3);
    const written = await work.put("c1", "a", { host: sim.hosts[0]!, bytes: 200_000 });
    assertEquals(written.outcome.kind, "acknowledged");
    refuses = false;
    const startMs = sim.nowMs;
    for (let i = 0; i < 5; i++) {
      const read = await work.get("c2", "a", { host: slow! });
      assertEquals(read?.outcome.kind === "read" && read.outcome.value, written.value);
    }
    assert(sim.nowMs - startMs < 3_000, `five reads took ${sim.nowMs - startMs} ms`);
    assertEquals(fetches, 1, "each read had it fetched anew");
  });
});

Deno.test("download given a node joins and the owner it reads from dies, then it goes on from another owner", async () => {
  const read = new Set<string>();
  const sim: Simulation = new Simulation({
    tampering: {
      storage: (storage, host) => {
        const readChunks = storage.blobs.readChunks.bind(storage.blobs);
        storage.blobs.readChunks = (blobId, first, count) => {
          read.add(host.address);
          return readChunks(blobId, first, count);
        };
      },
    },
  });
  await sim.run(async () => {
    const hosts = await sim.startRing(4);
    const { keeper } = runningAt(hosts[0]!);
    const owners = keeper.live.newest.owners(partitionOf("a", 64)).map(addressOf);
    const through = hosts.find(({ address }) => !owners.includes(address))!;
    const body = bodyOf(makePayload("x", 6 * MESSAGE_BYTES));
    await nodeAt(hosts[0]!).put("a", body, { contentType: "text/plain" });
    const found = await nodeAt(through).get("a", { consistency: "quorum" });
    const reader = found!.stream().getReader();
    const parts = [(await reader.read()).value!];
    const [source] = read;
    sim.addHost().boot([hosts[0]!.address]);
    await sim.untilSettled(5);
    sim.hosts.find(({ address }) => address === source)!.crash();
    for (let part = await reader.read(); !part.done; part = await reader.read()) parts.push(part.value);
    assertEquals(readPayload(concatChunks(parts)), "x");
  });
});

Deno.test("put() given a large value whose client hangs up while an owner is silent, then it is not written any more", async () => {
  const sim = new Simulation();
  const work = new Workload(sim);
  await sim.run(async () => {
    const [host, , silent] = await sim.startRing(3);
    sim.network.cut([silent!.address], [host!.address]);
    const client = new AbortController();
    const body = bodyOf(makePayload("given up", 100_000));
    const put = nodeAt(host!).put("a", body, { contentType: "text/plain", client });
    await sim.sleep(1_000);
    client.abort(new Error("The client has gone"));
    assertEquals((await assertRejects(() => put, DhtError)).code, "upload_incomplete");
    await sim.sleep(60_000);
    const read = await work.get("c1", "a", { host: host! });
    assertEquals(read?.outcome, { kind: "read" });
    // The owners have forgotten what they had taken of it.
    assertEquals(runningAt(host!).storage.stats().openUploads, 0);
  });
});

Deno.test("quorum read given an owner waits for the chunks of a large value from one that fell silent, then it asks again", async () => {
  const sim = new Simulation();
  const work = new Workload(sim);
  await sim.run(async () => {
    const [a, b, c] = await sim.startRing(3);
    const mend = sim.network.cutWhere((from, to) => from === c!.address || to === c!.address, {
      refuses: true,
    });
    const written = await work.put("c1", "a", { host: a!, bytes: 100_000 });
    assertEquals(written.outcome.kind, "acknowledged");
    mend();
    b!.crash();
    // The repair that follows asks for the chunks, and hears nothing.
    const answers = sim.network.cutWhere((from, to, way) =>
      way === "back" && from === a!.address && to === c!.address
    );
    await sim.sleep(6_000);
    answers();
    const startMs = sim.nowMs;
    const read = await work.get("c1", "a", { host: a! });
    assertEquals(read?.outcome.kind === "read" && read.outcome.value, written.value);
    assert(sim.nowMs - startMs < 5_000, `took ${sim.nowMs - startMs} ms`);
  });
});
