/**
 * What `GET /metrics` shows, of the engine, of requests and of the server itself. docs/operations.md has the table. Every
 * server has registries of its own.
 */
import type { Clock } from "../core/clock.ts";
import type { Engine } from "../protocol/engine.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import { addCacheConfig, addEngineMetrics } from "./engine-metrics.ts";
import { type Labels, MetricRegistry } from "./metric-registry.ts";
import { MindieMetrics } from "./mindie-metrics.ts";
import { ProcessMetrics } from "./process-metrics.ts";
import { joinObservations, RequestMeter, type RequestObservations } from "./request-meter.ts";
import { addRequestMetrics } from "./request-metrics.ts";
import { ThroughputWindow } from "./throughput-window.ts";

/** Where the numbers come from. */
export interface MetricsOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly connections: Pick<ConnectionLimits, "numOpen" | "numRefused">;
}

/** All metrics of one server. */
export class Metrics {
  readonly #registry: MetricRegistry;
  /** Without the label model_name. */
  readonly #plain = new MetricRegistry();
  readonly #process = new ProcessMetrics(this.#plain);
  readonly #clock: Clock;
  readonly #throughput: ThroughputWindow;
  readonly #observations: RequestObservations;
  /** The same under MindIE's names. */
  readonly mindie: MindieMetrics;
  readonly #countHttpRequest: (labels: Labels) => void;
  #numSockets = 0;

  constructor({ engine, clock, connections }: MetricsOptions) {
    this.#clock = clock;
    const labels = { model_name: engine.info.names[0] ?? "" };
    this.#registry = new MetricRegistry(labels);
    this.#throughput = new ThroughputWindow(clock, () => engine.status().counters);
    addCacheConfig(this.#plain, engine);
    addEngineMetrics(this.#registry, engine);
    this.#addThroughput();
    this.mindie = new MindieMetrics(engine, this.#throughput, labels);
    this.#observations = joinObservations([addRequestMetrics(this.#registry), this.mindie.observations]);
    this.#countHttpRequest = this.#registry.counter({
      name: "troupe:http_requests_total",
      help: "HTTP requests answered, by route and status; 499 when the client went away first.",
      labelNames: ["method", "route", "status"],
    });
    this.#addConnections(connections);
    const help = "Open WebSocket connections.";
    this.#registry.gauge({ name: "troupe:websocket_connections", help }, (report) =>
      report(this.#numSockets),
    );
  }

  /** Value of the Content-Type header for {@link render}. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything in Prometheus' text format. */
  async render(): Promise<string> {
    this.#process.sample();
    return (await this.#plain.render()) + (await this.#registry.render());
  }

  /** To be told the events of one generation, from its submission on. */
  meterRequest(): RequestMeter {
    return new RequestMeter(this.#clock, this.#observations);
  }

  countHttpRequest(method: string, route: string, status: number): void {
    this.#countHttpRequest({ method, route, status });
  }

  countSocket(change: 1 | -1): void {
    this.#numSockets += change;
  }

  /** Ends its timers. */
  close(): void {
    this.#process.close();
    this.#throughput.close();
  }

  #addConnections(connections: MetricsOptions["connections"]): void {
    const open = { name: "troupe:connections", help: "Open connections, WebSockets among them." };
    this.#registry.gauge(open, (report) => report(connections.numOpen));
    const refused = { name: "troupe:connections_refused_total", help: "Connections over a limit." };
    this.#registry.total(refused, (report) => report(connections.numRefused));
  }

  #addThroughput(): void {
    const kinds = [
      ["prompt", () => this.#throughput.promptTokensPerSecond],
      ["generation", () => this.#throughput.generationTokensPerSecond],
    ] as const;
    for (const [kind, read] of kinds)
      this.#registry.gauge(
        {
          name: `vllm:avg_${kind}_throughput_toks_per_s`,
          help: `Average ${kind} throughput in tokens/s, over the last window of 5 seconds.`,
        },
        (report) => report(read()),
      );
  }
}
