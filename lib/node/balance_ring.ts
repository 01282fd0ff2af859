import type { Random } from "../ports/random.ts";
import { balance, type BalanceDeps, type BalanceScope } from "./balance.ts";
import { noteFailure, type Task } from "./tasks.ts";

/** Time between two looks at how far another node has come. */
const POLL_MS = 250;

/**
 * Balances all nodes of the ring, and counts in one task what each of them
 * did. A node that cannot be reached is a failure of the task; the others go on.
 */
export async function balanceRing(
  deps: BalanceDeps & { readonly random: Random },
  scope: BalanceScope,
): Promise<void> {
  const { keeper, random } = deps;
  const id = random.hex(8);
  const remote = keeper.otherMembers.map(({ address }) =>
    balanceOther(deps, address, id, scope).catch((error) => noteFailure(scope.task, error))
  );
  await Promise.all([balance(deps, scope), ...remote]);
}

async function balanceOther(
  deps: BalanceDeps,
  address: string,
  id: string,
  { task, signal }: BalanceScope,
): Promise<void> {
  await deps.peers.control(address, "startTask", { id, kind: "balance" });
  const counted = { compared: 0, sent: 0, fetched: 0, dropped: 0, failed: 0 };
  for (;;) {
    const { task: theirs } = await deps.peers.control(address, "task", { id });
    if (theirs === undefined) return;
    for (const count of Object.keys(counted) as (keyof typeof counted)[]) {
      task[count] += theirs[count] - counted[count];
      counted[count] = theirs[count];
    }
    if (theirs.error !== undefined) (task as Task).error = `${address}: ${theirs.error}`;
    if (theirs.done) return;
    await deps.peers.pause(POLL_MS, signal);
  }
}
