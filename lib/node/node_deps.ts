import type { BackgroundRates } from "../core/rates.ts";
import type { Clock } from "../ports/clock.ts";
import type { LookAtDisk } from "../ports/disk.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Transport } from "../ports/transport.ts";
import type { Pauses } from "./pauses.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { Storage } from "./storage.ts";

/** The world a node runs in. */
export interface NodeDeps {
  readonly storage: Storage;
  readonly keeper: RingKeeper;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Version of the software, for people. */
  readonly version: string;
  /** Bytes a second that background tasks may use; the usual ones where absent. */
  readonly rates?: BackgroundRates;
  /** Pauses between two rounds of background work; the usual ones where absent. */
  readonly pauses?: Partial<Pauses>;
  /** How the process was started, where people should know it: a sentence each. */
  readonly notes?: readonly string[];
  /** Looks at the disk of the database; absent where there is none to look at. */
  readonly lookAtDisk?: LookAtDisk;
  /** Called once this node has left: the process may end. */
  onLeft(): void;
  /** Called once the ring turns out to have removed or replaced this store: the process should end. */
  onRetired(): void;
}
