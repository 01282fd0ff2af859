/** Ticks of a second in which Linux counts CPU time; the same on every architecture Deno runs on. */
const TICKS_PER_SECOND = 100;

/** What some processes have used together. */
export interface ProcessUse {
  /** CPU seconds since they started. */
  readonly cpuSeconds: number;
  /** The most memory one of them has had at once, in bytes. */
  readonly peakBytes: number;
}

/** What these processes have used; `undefined` where that cannot be known: they have ended, or this is no Linux. */
export function processUse(pids: readonly number[]): ProcessUse | undefined {
  try {
    const each = pids.map((pid) => ({
      cpuSeconds: parseCpuSeconds(Deno.readTextFileSync(`/proc/${pid}/stat`)),
      peakBytes: parsePeakBytes(Deno.readTextFileSync(`/proc/${pid}/status`)),
    }));
    return {
      cpuSeconds: each.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
      peakBytes: Math.max(...each.map(({ peakBytes }) => peakBytes)),
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** CPU seconds in the text of `/proc/PID/stat`, user and system. */
export function parseCpuSeconds(stat: string): number {
  // The name of the program stands in parentheses, and may contain anything, parentheses too.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The most memory a process has had at once, in the text of `/proc/PID/status`, in bytes. */
export function parsePeakBytes(status: string): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}
