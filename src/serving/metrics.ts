/**
 * What `GET /metrics` shows, of the engine, of requests and of the server itself. docs/operations.md has the table. Every
 * server has registries of its own.
 */
import type { Clock } from "../core/clock.ts";
import type { Engine } from "../protocol/engine.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import { joinFamilies, type Labels, MetricRegistry } from "./metric-registry.ts";
import type { MindieMetrics } from "./mindie-metrics.ts";
import { ModelMetrics } from "./model-metrics.ts";
import type { ModelRegistry } from "./model-registry.ts";
import { ProcessMetrics } from "./process-metrics.ts";
import { joinObservations, RequestMeter } from "./request-meter.ts";

/** Where the numbers come from. */
export interface MetricsOptions {
  /** Models come and go while the server runs. */
  readonly models: ModelRegistry;
  readonly clock: Clock;
  readonly connections: Pick<ConnectionLimits, "numOpen" | "numRefused" | "numStalled">;
}

/** All metrics of one server: its own, and those of each model under the label model_name. */
export class Metrics {
  readonly #registry = new MetricRegistry();
  readonly #process = new ProcessMetrics(this.#registry);
  readonly #clock: Clock;
  readonly #models: ModelRegistry;
  readonly #byEngine = new Map<Engine, ModelMetrics>();
  readonly #countHttpRequest: (labels: Labels) => void;
  #numSockets = 0;

  constructor({ models, clock, connections }: MetricsOptions) {
    this.#clock = clock;
    this.#models = models;
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
    for (const engine of models.engines) this.#add(engine);
    models.follow({ added: (engine) => this.#add(engine), removed: (engine) => this.#remove(engine) });
  }

  /** Value of the Content-Type header for {@link render}. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything in Prometheus' text format. */
  async render(): Promise<string> {
    this.#process.sample();
    const models = await this.#ofModels((model) => model.render());
    return (await this.#registry.render()) + models;
  }

  /** The metrics of models under MindIE's names. */
  renderMindie(): Promise<string> {
    return this.#ofModels(({ mindie }) => mindie.render());
  }

  /** The default model's, under MindIE's names. */
  get mindie(): MindieMetrics {
    return this.#byEngine.get(this.#models.default)!.mindie;
  }

  /** To be told the events of one generation of that engine, from its submission on. */
  meterRequest(engine: Engine): RequestMeter {
    // a model that is gone refuses the request, which is no figure of any other
    return this.#byEngine.get(engine)?.meterRequest() ?? new RequestMeter(this.#clock, joinObservations([]));
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
    for (const model of this.#byEngine.values()) model.close();
  }

  #add(engine: Engine): void {
    this.#byEngine.set(engine, new ModelMetrics(engine, this.#clock, this.#byEngine.size === 0));
  }

  #remove(engine: Engine): void {
    this.#byEngine.get(engine)?.close();
    this.#byEngine.delete(engine);
  }

  async #ofModels(render: (model: ModelMetrics) => Promise<string>): Promise<string> {
    return joinFamilies(await Promise.all([...this.#byEngine.values()].map(render)));
  }

  #addConnections(connections: MetricsOptions["connections"]): void {
    const open = { name: "troupe:connections", help: "Open connections, WebSockets among them." };
    this.#registry.gauge(open, (report) => report(connections.numOpen));
    const refused = { name: "troupe:connections_refused_total", help: "Connections over a limit." };
    this.#registry.total(refused, (report) => report(connections.numRefused));
    const stalled = {
      name: "troupe:connections_stalled_total",
      help: "Connections cut because their client took nothing.",
    };
    this.#registry.total(stalled, (report) => report(connections.numStalled));
  }
}
