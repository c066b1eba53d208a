/** What `GET /metrics` of the servables' REST port shows. */
import type { Predicted } from "../../servables/servable-directory.ts";
import { type Labels, MetricRegistry } from "../metric-registry.ts";

/** Where the momentary values come from. */
export interface ServableGauges {
  /** Requests under way. */
  numEnqueued(): number;
  /** Instances that no worker has yet, by servable. */
  waiting(): readonly { readonly servable: string; readonly version: number; readonly numWaiting: number }[];
  /** Restarts of workers since the start. */
  numRestarts(): number;
}

const SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** All metrics of one server. */
export class ServableMetrics {
  readonly #registry = new MetricRegistry();
  readonly #countRequest: (labels: Labels) => void;
  readonly #countInstance: (labels: Labels) => void;
  readonly #observeSeconds: (seconds: number) => void;

  constructor(gauges: ServableGauges) {
    this.#countRequest = this.#registry.counter({
      name: "troupe:servable_requests_total",
      help: "Requests answered, by servable, method and status (0 success, see docs/servables.md).",
      labelNames: ["servable", "method", "status"],
    });
    this.#countInstance = this.#registry.counter({
      name: "troupe:servable_instances_total",
      help: "Instances of requests that were not refused, by servable, method and status.",
      labelNames: ["servable", "method", "status"],
    });
    this.#observeSeconds = this.#registry.histogram({
      name: "troupe:servable_request_seconds",
      help: "Time from a request's arrival to its reply.",
      buckets: SECONDS,
    });
    this.#registry.gauge(
      { name: "troupe:servable_requests_enqueued", help: "Requests under way." },
      (report) => report(gauges.numEnqueued()),
    );
    this.#registry.gauge(
      {
        name: "troupe:servable_instances_waiting",
        help: "Instances that no worker has yet.",
        labelNames: ["servable", "version"],
      },
      (report) => {
        for (const { servable, version, numWaiting } of gauges.waiting())
          report(numWaiting, { servable, version });
      },
    );
    this.#registry.total(
      { name: "troupe:servable_worker_restarts_total", help: "Workers that were started again." },
      (report) => report(gauges.numRestarts()),
    );
  }

  /** Value of the Content-Type header for {@link render}. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything in Prometheus' text format. */
  render(): Promise<string> {
    return this.#registry.render();
  }

  /** Counts a request that was answered. Names that are not served are not labels: anybody could make up more. */
  count({ target, outcome, durationMs }: Predicted): void {
    const labels = target ?? { servable: "", method: "" };
    this.#observeSeconds(durationMs / 1000);
    this.#countRequest({ ...labels, status: outcome.kind === "failed" ? outcome.failure.code : 0 });
    if (outcome.kind === "failed") return;
    for (const result of outcome.results) {
      this.#countInstance({ ...labels, status: result.kind === "failed" ? result.failure.code : 0 });
    }
  }
}
