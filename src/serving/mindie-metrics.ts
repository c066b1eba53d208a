/**
 * Metrics under MindIE's names, so that its dashboards work: those of its Prometheus page, and the moving means of
 * `/metrics-json`.
 */
import type { Engine, EngineStatus } from "../protocol/engine.ts";
import { type Labels, MetricRegistry } from "./metric-registry.ts";
import { MovingMean } from "./moving-mean.ts";
import type { RequestObservations } from "./request-meter.ts";
import { FIRST_TOKEN_SECONDS, OUTPUT_TOKEN_SECONDS, REQUEST_SECONDS } from "./request-metrics.ts";
import type { ThroughputWindow } from "./throughput-window.ts";

const TOKENS = [
  10, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 16_000, 20_000, 32_000, 50_000, 64_000, 128_000,
];
/** Requests that the means of `/metrics-json` are made of. */
const WINDOW = 1000;

const GAUGES: readonly (readonly [string, string, (status: EngineStatus) => number])[] = [
  ["num_requests_running", "Requests that run.", (now) => now.numRunning],
  ["num_requests_waiting", "Requests that wait to run.", (now) => now.numWaiting],
  ["num_requests_swapped", "Always 0: sequences that give way are recomputed, not swapped.", () => 0],
  [
    "npu_cache_usage_perc",
    "Share of KV pages in use; 1 is all of them.",
    (now) => share(now.numPages - now.numFreePages, now.numPages),
  ],
  ["cpu_cache_usage_perc", "Always 0: there is no second memory for KV pages.", () => 0],
  [
    "npu_prefix_cache_hit_rate",
    "Share of prompt tokens found in the prefix cache.",
    ({ counters }) => share(counters.prefixCacheHits, counters.prefixCacheQueries),
  ],
];

const TOTALS: readonly (readonly [string, string, (status: EngineStatus) => number])[] = [
  ["num_preemptions_total", "Sequences that gave way.", ({ counters }) => counters.preemptions],
  ["prompt_tokens_total", "Prompt tokens computed.", ({ counters }) => counters.promptTokens],
  ["generation_tokens_total", "Tokens generated.", ({ counters }) => counters.generationTokens],
];

/** @see Metrics.mindie */
export class MindieMetrics {
  readonly #registry: MetricRegistry;
  readonly #firstTokenMs = new MovingMean(WINDOW);
  readonly #betweenTokensMs = new MovingMean(WINDOW);
  #numReceived = 0;
  #numSucceeded = 0;
  #numFailed = 0;
  /** To be told what happens to requests. */
  readonly observations: RequestObservations;

  constructor(engine: Engine, throughput: ThroughputWindow, labels: Labels) {
    this.#registry = new MetricRegistry(labels);
    for (const [name, help, read] of GAUGES)
      this.#registry.gauge({ name, help }, (report) => report(read(engine.status())));
    for (const [name, help, read] of TOTALS)
      this.#registry.total({ name, help }, (report) => report(read(engine.status())));
    this.#addThroughput(throughput);
    this.#addRequests();
    this.observations = this.#createObservations();
  }

  /** Means over the last 1000 requests, in milliseconds. */
  get means(): { readonly firstTokenMs: number; readonly betweenTokensMs: number } {
    return { firstTokenMs: this.#firstTokenMs.mean, betweenTokensMs: this.#betweenTokensMs.mean };
  }

  /** In Prometheus' text format. */
  render(): Promise<string> {
    return this.#registry.render();
  }

  #addThroughput(throughput: ThroughputWindow): void {
    const gauge = (name: string, help: string, read: () => number): void =>
      this.#registry.gauge({ name, help: `${help}, over the last window of 5 seconds.` }, (report) =>
        report(read()),
      );
    gauge(
      "avg_prompt_throughput_toks_per_s",
      "Prompt tokens a second",
      () => throughput.promptTokensPerSecond,
    );
    gauge(
      "avg_generation_throughput_toks_per_s",
      "Generated tokens a second",
      () => throughput.generationTokensPerSecond,
    );
  }

  #addRequests(): void {
    const totals = [
      ["request_received_total", "Requests received.", () => this.#numReceived],
      ["request_success_total", "Requests answered to their end.", () => this.#numSucceeded],
      ["request_failed_total", "Requests refused, failed or cancelled.", () => this.#numFailed],
    ] as const;
    for (const [name, help, read] of totals) this.#registry.total({ name, help }, (report) => report(read()));
    const failed = { name: "failed_request_perc", help: "Share of requests that failed; 1 is all of them." };
    this.#registry.gauge(failed, (report) => report(share(this.#numFailed, this.#numReceived)));
  }

  #createObservations(): RequestObservations {
    const histogram = (name: string, help: string, buckets: readonly number[]): ((value: number) => void) =>
      this.#registry.histogram({ name, help, buckets });
    const firstToken = histogram(
      "time_to_first_token_seconds",
      "From submission to the first token.",
      FIRST_TOKEN_SECONDS,
    );
    const outputToken = histogram(
      "time_per_output_token_seconds",
      "From one token to the next.",
      OUTPUT_TOKEN_SECONDS,
    );
    const latency = histogram(
      "e2e_request_latency_seconds",
      "From submission to the end of a request.",
      REQUEST_SECONDS,
    );
    const promptTokens = histogram("request_prompt_tokens", "Prompt tokens of a request.", TOKENS);
    const outputTokens = histogram("request_generation_tokens", "Tokens generated for a request.", TOKENS);
    return {
      received: () => void this.#numReceived++,
      firstToken: (seconds) => {
        firstToken(seconds);
        this.#firstTokenMs.add(seconds * 1000);
      },
      outputToken: (seconds) => {
        outputToken(seconds);
        this.#betweenTokensMs.add(seconds * 1000);
      },
      queued: () => undefined,
      finish: () => undefined,
      fail: () => void this.#numFailed++,
      done: (seconds, usage) => {
        this.#numSucceeded++;
        latency(seconds);
        promptTokens(usage.numPromptTokens);
        outputTokens(usage.numOutputTokens);
      },
    };
  }
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
