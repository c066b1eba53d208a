/** The metrics of one model: of its engine and of the requests for it, under vLLM's names and MindIE's. */
import type { Clock } from "../core/clock.ts";
import type { Engine } from "../protocol/engine.ts";
import { addCacheConfig, addEngineMetrics } from "./engine-metrics.ts";
import { MetricRegistry } from "./metric-registry.ts";
import { MindieMetrics } from "./mindie-metrics.ts";
import { joinObservations, RequestMeter, type RequestObservations } from "./request-meter.ts";
import { addRequestMetrics } from "./request-metrics.ts";
import { ThroughputWindow } from "./throughput-window.ts";

/** @see Metrics */
export class ModelMetrics {
  readonly #registry: MetricRegistry;
  /** vLLM gives the settings of its cache no model_name; only a second model of a server needs one. */
  readonly #settings: MetricRegistry;
  readonly #clock: Clock;
  readonly #throughput: ThroughputWindow;
  readonly #observations: RequestObservations;
  /** The same under MindIE's names. */
  readonly mindie: MindieMetrics;

  constructor(engine: Engine, clock: Clock, isFirst: boolean) {
    this.#clock = clock;
    const labels = { model_name: engine.info.names[0] ?? "" };
    this.#registry = new MetricRegistry(labels);
    this.#settings = new MetricRegistry(isFirst ? {} : labels);
    this.#throughput = new ThroughputWindow(clock, () => engine.status().counters);
    addCacheConfig(this.#settings, engine);
    addEngineMetrics(this.#registry, engine);
    this.#addThroughput();
    this.mindie = new MindieMetrics(engine, this.#throughput, labels);
    this.#observations = joinObservations([addRequestMetrics(this.#registry), this.mindie.observations]);
  }

  /** In Prometheus' text format. */
  async render(): Promise<string> {
    return (await this.#settings.render()) + (await this.#registry.render());
  }

  /** To be told the events of one generation, from its submission on. */
  meterRequest(): RequestMeter {
    return new RequestMeter(this.#clock, this.#observations);
  }

  /** Ends its timers. */
  close(): void {
    this.#throughput.close();
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
