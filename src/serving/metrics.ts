/**
 * The adapter for prom-client: what `GET /metrics` shows. Names and buckets are vLLM's where vLLM has the metric, so its
 * dashboards work; what only this server has begins with `troupe:`. Every server has a registry of its own.
 */
import { Counter, type CounterConfiguration, Gauge, Histogram, Registry } from "prom-client";
import type { Clock } from "../core/clock.ts";
import type { Engine, EngineCounters, EngineStatus } from "../protocol/engine.ts";
import { toFinishReason } from "../protocol/openai/responder.ts";
import { RequestMeter, type RequestObservations } from "./request-meter.ts";

const FIRST_TOKEN_SECONDS = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];
const OUTPUT_TOKEN_SECONDS = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
const REQUEST_SECONDS = [1, 2.5, 5, 10, 15, 20, 30, 40, 50, 60];
const TOKENS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000];
const ENGINE_STATES = ["starting", "ready", "recovering", "draining", "failed", "stopped"] as const;

/** Where the numbers come from. */
export interface MetricsOptions {
  readonly engine: Engine;
  readonly clock: Clock;
}

/** All metrics of one server. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #clock: Clock;
  readonly #observations: RequestObservations;
  readonly #httpRequests: Counter<"method" | "route" | "status">;
  readonly #sockets: Gauge;

  constructor({ engine, clock }: MetricsOptions) {
    this.#clock = clock;
    this.#registry.setDefaultLabels({ model_name: engine.info.names[0] ?? "" });
    this.#addEngineGauges(() => engine.status());
    this.#addEngineCounters(() => engine.status().counters);
    this.#observations = this.#addRequestMetrics();
    this.#httpRequests = new Counter({
      name: "troupe:http_requests_total",
      help: "HTTP requests answered, by route and status; 499 when the client went away first.",
      labelNames: ["method", "route", "status"],
      registers: [this.#registry],
    });
    this.#sockets = new Gauge({
      name: "troupe:websocket_connections",
      help: "Open WebSocket connections.",
      registers: [this.#registry],
    });
  }

  /** Value of the Content-Type header for {@link render}. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything in Prometheus' text format. */
  render(): Promise<string> {
    return this.#registry.metrics();
  }

  /** To be told the events of one generation, from its submission on. */
  meterRequest(): RequestMeter {
    return new RequestMeter(this.#clock, this.#observations);
  }

  countHttpRequest(method: string, route: string, status: number): void {
    this.#httpRequests.inc({ method, route, status });
  }

  countSocket(change: 1 | -1): void {
    this.#sockets.inc(change);
  }

  #addEngineGauges(status: () => EngineStatus): void {
    const add = (name: string, help: string, read: (status: EngineStatus) => number): void => {
      new Gauge({
        name,
        help,
        registers: [this.#registry],
        collect(): void {
          this.set(read(status()));
        },
      });
    };
    add("vllm:num_requests_running", "Requests that run.", (now) => now.numRunning);
    add("vllm:num_requests_waiting", "Requests that wait to run.", (now) => now.numWaiting);
    add("vllm:kv_cache_usage_perc", "Share of KV pages in use; 1 is all of them.", usedShare);
    add("vllm:gpu_cache_usage_perc", "The older name of vllm:kv_cache_usage_perc.", usedShare);
    new Gauge({
      name: "troupe:engine_state",
      help: "1 for the state the engine is in, 0 for the others.",
      labelNames: ["state"],
      registers: [this.#registry],
      collect(): void {
        const { state } = status();
        for (const each of ENGINE_STATES) this.set({ state: each }, each === state ? 1 : 0);
      },
    });
  }

  #addEngineCounters(counters: () => EngineCounters): void {
    const add = (name: string, help: string, key: keyof EngineCounters): void => {
      const configuration: CounterConfiguration<string> = {
        name,
        help,
        registers: [this.#registry],
        // The engine counts; a scrape takes its total over.
        collect(): void {
          this.reset();
          this.inc(counters()[key]);
        },
      };
      new Counter(configuration);
    };
    add("vllm:prompt_tokens_total", "Prompt tokens computed.", "promptTokens");
    add("vllm:generation_tokens_total", "Tokens generated.", "generationTokens");
    add(
      "vllm:prefix_cache_queries_total",
      "Prompt tokens looked up in the prefix cache.",
      "prefixCacheQueries",
    );
    add("vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache.", "prefixCacheHits");
    add("vllm:num_preemptions_total", "Sequences that gave way and were recomputed.", "preemptions");
    add("troupe:engine_steps_total", "Steps of the engine.", "steps");
    add("troupe:engine_restarts_total", "Restarts of the engine's actors.", "restarts");
  }

  #addRequestMetrics(): RequestObservations {
    const histogram = (name: string, help: string, buckets: number[]): Histogram =>
      new Histogram({ name, help, buckets, registers: [this.#registry] });
    const success = new Counter({
      name: "vllm:request_success_total",
      help: "Answers that ended, by reason.",
      labelNames: ["finished_reason"],
      registers: [this.#registry],
    });
    const failed = new Counter({
      name: "troupe:request_failures_total",
      help: "Requests refused, failed or cancelled, by error code.",
      labelNames: ["code"],
      registers: [this.#registry],
    });
    const firstToken = histogram(
      "vllm:time_to_first_token_seconds",
      "From submission to the first token.",
      FIRST_TOKEN_SECONDS,
    );
    const outputToken = histogram(
      "vllm:time_per_output_token_seconds",
      "From one token of an answer to its next, as taken by the client.",
      OUTPUT_TOKEN_SECONDS,
    );
    const latency = histogram(
      "vllm:e2e_request_latency_seconds",
      "From submission to the end of a request.",
      REQUEST_SECONDS,
    );
    const promptTokens = histogram("vllm:request_prompt_tokens", "Prompt tokens of a request.", TOKENS);
    const outputTokens = histogram(
      "vllm:request_generation_tokens",
      "Tokens generated for a request.",
      TOKENS,
    );
    return {
      firstToken: (seconds) => firstToken.observe(seconds),
      outputToken: (seconds) => outputToken.observe(seconds),
      finish: (reason) => success.inc({ finished_reason: toFinishReason(reason) }),
      fail: (code) => failed.inc({ code }),
      done: (seconds, usage) => {
        latency.observe(seconds);
        promptTokens.observe(usage.numPromptTokens);
        outputTokens.observe(usage.numOutputTokens);
      },
    };
  }
}

function usedShare(status: EngineStatus): number {
  return status.numPages === 0 ? 0 : (status.numPages - status.numFreePages) / status.numPages;
}
