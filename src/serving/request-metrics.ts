/** The distributions of requests: waiting, first token, between tokens, whole; buckets as vLLM's. */
import { toFinishReason } from "../protocol/openai/responder.ts";
import type { MetricRegistry } from "./metric-registry.ts";
import type { RequestObservations } from "./request-meter.ts";

/** Upper bounds of buckets, as vLLM has them. */
export const FIRST_TOKEN_SECONDS = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];
/** The same, between tokens. */
export const OUTPUT_TOKEN_SECONDS = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
/** Finer below 10 ms than vLLM's: small models are that fast. */
const INTER_TOKEN_SECONDS = [0.001, 0.0025, 0.005, ...OUTPUT_TOKEN_SECONDS, 5, 7.5, 10, 20, 40, 80];
/** The same, of whole requests. */
export const REQUEST_SECONDS = [1, 2.5, 5, 10, 15, 20, 30, 40, 50, 60];
const QUEUE_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 60];
const TOKENS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000];

/** Adds the metrics of requests; the meter of every request is given the result. */
export function addRequestMetrics(registry: MetricRegistry): RequestObservations {
  const histogram = (name: string, help: string, buckets: readonly number[]): ((value: number) => void) =>
    registry.histogram({ name, help, buckets });
  const success = registry.counter({
    name: "vllm:request_success_total",
    help: "Answers that ended, by reason.",
    labelNames: ["finished_reason"],
  });
  const failed = registry.counter({
    name: "troupe:request_failures_total",
    help: "Requests refused, failed or cancelled, by error code.",
    labelNames: ["code"],
  });
  const outputToken = histogram(
    "vllm:time_per_output_token_seconds",
    "From one token of an answer to its next, as taken by the client.",
    OUTPUT_TOKEN_SECONDS,
  );
  const interToken = histogram(
    "vllm:inter_token_latency_seconds",
    "The same, under its newer name and in finer buckets.",
    INTER_TOKEN_SECONDS,
  );
  const latency = histogram(
    "vllm:e2e_request_latency_seconds",
    "From submission to the end of a request.",
    REQUEST_SECONDS,
  );
  const promptTokens = histogram("vllm:request_prompt_tokens", "Prompt tokens of a request.", TOKENS);
  const outputTokens = histogram("vllm:request_generation_tokens", "Tokens generated for a request.", TOKENS);
  return {
    received: () => undefined,
    firstToken: histogram(
      "vllm:time_to_first_token_seconds",
      "From submission to the first token.",
      FIRST_TOKEN_SECONDS,
    ),
    outputToken: (seconds) => {
      outputToken(seconds);
      interToken(seconds);
    },
    queued: histogram(
      "vllm:request_queue_time_seconds",
      "From submission to the first step that computes the prompt.",
      QUEUE_SECONDS,
    ),
    finish: (reason) => success({ finished_reason: toFinishReason(reason) }),
    fail: (code) => failed({ code }),
    done: (seconds, usage) => {
      latency(seconds);
      promptTokens(usage.numPromptTokens);
      outputTokens(usage.numOutputTokens);
    },
  };
}
