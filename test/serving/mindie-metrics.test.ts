import assert from "node:assert/strict";
import { test } from "node:test";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { MovingMean } from "../../src/serving/moving-mean.ts";
import { startServer } from "./test-server.ts";

const NAMES = [
  ["request_received_total", "counter"],
  ["request_success_total", "counter"],
  ["request_failed_total", "counter"],
  ["num_preemptions_total", "counter"],
  ["num_requests_running", "gauge"],
  ["num_requests_waiting", "gauge"],
  ["num_requests_swapped", "gauge"],
  ["prompt_tokens_total", "counter"],
  ["generation_tokens_total", "counter"],
  ["avg_prompt_throughput_toks_per_s", "gauge"],
  ["avg_generation_throughput_toks_per_s", "gauge"],
  ["failed_request_perc", "gauge"],
  ["npu_cache_usage_perc", "gauge"],
  ["cpu_cache_usage_perc", "gauge"],
  ["npu_prefix_cache_hit_rate", "gauge"],
  ["time_to_first_token_seconds", "histogram"],
  ["time_per_output_token_seconds", "histogram"],
  ["e2e_request_latency_seconds", "histogram"],
  ["request_prompt_tokens", "histogram"],
  ["request_generation_tokens", "histogram"],
] as const;

test("MindIE's metrics have its names, types and the label model_name, and count what happens", async (t) => {
  const { engine, metrics, post } = await startServer(t, { metrics: { port: 0 } });
  await post("/v1/completions", { prompt: "x" });
  engine.script = { refuse: new TroupeError("queue_full", "full") };
  await post("/v1/completions", { prompt: "x" });
  const text = await (await fetch(`${metrics}/metrics`)).text();
  for (const [name, type] of NAMES) {
    assert.ok(text.includes(`# TYPE ${name} ${type}\n`), `${name} is no ${type}`);
    assert.match(text, new RegExp(`^${name}(?:_bucket)?\\{[^}]*model_name="understudy"`, "m"));
  }
  const value = (name: string): number =>
    Number(new RegExp(`^${name}\\{[^}]*\\} (.*)$`, "m").exec(text)?.[1]);
  assert.deepEqual(
    ["request_received_total", "request_success_total", "request_failed_total"].map(value),
    [2, 1, 1],
  );
  assert.equal(value("failed_request_perc"), 0.5);
  assert.equal(value("npu_cache_usage_perc"), 0.25);
  assert.equal(value("npu_prefix_cache_hit_rate"), 0.5);
  assert.match(text, /^request_prompt_tokens_bucket\{le="128000",/m);
});

test("the moving mean forgets what is older than its window", () => {
  const mean = new MovingMean(3);
  assert.equal(mean.mean, 0);
  for (const value of [1, 2, 3, 4, 5]) mean.add(value);
  assert.equal(mean.mean, 4);
});
