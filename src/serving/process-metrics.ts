/**
 * The process that serves: memory, processor time, and how late its event loop is, which every stream waits for. Names are
 * those of prom-client, so that dashboards for Node.js work.
 */
import { type ELDHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import type { MetricRegistry } from "./metric-registry.ts";

/** The loop is looked at this often. */
const RESOLUTION_MS = 10;

/** What is read of a histogram of delays, in nanoseconds. */
export type DelayHistogram = Pick<
  ELDHistogram,
  "enable" | "disable" | "reset" | "min" | "max" | "mean" | "stddev" | "count" | "percentile"
>;

/** How late timers of the main thread fired, in seconds. */
interface Lag {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly stddev: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

const NO_LAG: Lag = { min: 0, max: 0, mean: 0, stddev: 0, p50: 0, p90: 0, p99: 0 };

/** Watches the event loop from the beginning; {@link close} ends that. */
export class ProcessMetrics {
  readonly #delays: DelayHistogram;
  #lag = NO_LAG;

  constructor(
    registry: MetricRegistry,
    delays: DelayHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS }),
  ) {
    this.#delays = delays;
    delays.enable();
    for (const key of Object.keys(NO_LAG) as (keyof Lag)[]) {
      const help = `Delay of the event loop of the main thread since the last scrape, ${key}.`;
      registry.gauge({ name: `nodejs_eventloop_lag_${key}_seconds`, help }, (report) =>
        report(this.#lag[key]),
      );
    }
    const memory = { name: "process_resident_memory_bytes", help: "Memory of the process, all threads." };
    registry.gauge(memory, (report) => report(process.memoryUsage.rss()));
    const cpu = { name: "process_cpu_seconds_total", help: "Processor time of the process, all threads." };
    registry.total(cpu, (report) => {
      const { user, system } = process.cpuUsage();
      report((user + system) / 1e6);
    });
  }

  /** To be called before every scrape: takes what was seen since the last one. */
  sample(): void {
    const delays = this.#delays;
    // Samples are distances between two looks, which are the resolution apart when nothing is late.
    const seconds = (ns: number): number => Math.max(0, ns / 1e9 - RESOLUTION_MS / 1000);
    this.#lag =
      delays.count === 0
        ? NO_LAG
        : {
            min: seconds(delays.min),
            max: seconds(delays.max),
            mean: seconds(delays.mean),
            stddev: delays.stddev / 1e9,
            p50: seconds(delays.percentile(50)),
            p90: seconds(delays.percentile(90)),
            p99: seconds(delays.percentile(99)),
          };
    delays.reset();
  }

  close(): void {
    this.#delays.disable();
  }
}
