import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../../src/core/manual-clock.ts";
import { Metrics } from "../../src/serving/metrics.ts";
import { ModelRegistry } from "../../src/serving/model-registry.ts";
import { THROUGHPUT_WINDOW_MS } from "../../src/serving/throughput-window.ts";
import { FakeEngine } from "./fake-engine.ts";
import { startServer } from "./test-server.ts";

const NONE = { numOpen: 0, numRefused: 0, numStalled: 0 };

/** The metrics of vLLM 0.4.0.post1 with their types and, for histograms, their bounds. */
const VLLM: readonly (readonly [string, "gauge" | "counter" | "histogram", (readonly string[])?])[] = [
  ["vllm:cache_config_info", "gauge"],
  ["vllm:num_requests_running", "gauge"],
  ["vllm:num_requests_swapped", "gauge"],
  ["vllm:num_requests_waiting", "gauge"],
  ["vllm:gpu_cache_usage_perc", "gauge"],
  ["vllm:cpu_cache_usage_perc", "gauge"],
  ["vllm:prompt_tokens_total", "counter"],
  ["vllm:generation_tokens_total", "counter"],
  [
    "vllm:time_to_first_token_seconds",
    "histogram",
    "0.001 0.005 0.01 0.02 0.04 0.06 0.08 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 +Inf".split(" "),
  ],
  [
    "vllm:time_per_output_token_seconds",
    "histogram",
    "0.01 0.025 0.05 0.075 0.1 0.15 0.2 0.3 0.4 0.5 0.75 1 2.5 +Inf".split(" "),
  ],
  ["vllm:e2e_request_latency_seconds", "histogram", "1 2.5 5 10 15 20 30 40 50 60 +Inf".split(" ")],
  ["vllm:avg_prompt_throughput_toks_per_s", "gauge"],
  ["vllm:avg_generation_throughput_toks_per_s", "gauge"],
];

const CACHE_LABELS = [
  "block_size",
  "cache_dtype",
  "enable_prefix_caching",
  "forced_num_gpu_blocks",
  "gpu_memory_utilization",
  "num_cpu_blocks",
  "num_gpu_blocks",
  "sliding_window",
  "swap_space_bytes",
];

test("every metric of vLLM 0.4.0.post1 is there with its name, type, buckets and the label model_name", async () => {
  const text = await new Metrics({
    models: new ModelRegistry({ engines: [new FakeEngine()] }),
    clock: new ManualClock(),
    connections: NONE,
  }).render();
  for (const [name, type, bounds] of VLLM) {
    assert.ok(text.includes(`\n# TYPE ${name} ${type}\n`), `${name} is no ${type}`);
    const lines = text
      .split("\n")
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name}_`));
    assert.ok(lines.length > 0, name);
    const hasName = name !== "vllm:cache_config_info";
    for (const line of lines) assert.equal(line.includes('model_name="understudy"'), hasName, line);
    const found = lines.flatMap((line) => /_bucket\{le="([^"]+)"/.exec(line)?.[1] ?? []);
    assert.deepEqual(found, bounds ?? [], name);
  }
  const cache = /^vllm:cache_config_info\{(.*)\} 1$/m.exec(text)![1]!;
  assert.deepEqual(
    [...cache.matchAll(/(\w+)="/g)].map((match) => match[1]),
    CACHE_LABELS,
  );
  assert.match(cache, /block_size="16".*num_gpu_blocks="100"/);
  assert.doesNotMatch(text, /_created/);
});

test("every metric is described once, and has no other metric's name", async () => {
  const text = await new Metrics({
    models: new ModelRegistry({ engines: [new FakeEngine()] }),
    clock: new ManualClock(),
    connections: NONE,
  }).render();
  const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]!);
  assert.deepEqual(names, [...new Set(names)]);
  assert.deepEqual(
    names,
    [...text.matchAll(/^# HELP (\S+) \S/gm)].map((match) => match[1]!),
  );
});

test("throughput is that of the last whole window of five seconds", async () => {
  const clock = new ManualClock();
  const engine = new FakeEngine();
  const metrics = new Metrics({ models: new ModelRegistry({ engines: [engine] }), clock, connections: NONE });
  const throughput = async (): Promise<string[]> =>
    [...(await metrics.render()).matchAll(/^vllm:avg_\w+\{.*\} (.*)$/gm)].map((match) => match[1]!);
  assert.deepEqual(await throughput(), ["0", "0"]);
  engine.counters = { ...engine.counters, promptTokens: 11 + 50, generationTokens: 22 + 10 };
  assert.deepEqual(await throughput(), ["0", "0"]);
  clock.advance(THROUGHPUT_WINDOW_MS);
  assert.deepEqual(await throughput(), ["10", "2"]);
  clock.advance(THROUGHPUT_WINDOW_MS);
  assert.deepEqual(await throughput(), ["0", "0"]);
  metrics.close();
  assert.equal(clock.numPending, 0);
});

test("actors, queue time and the time between tokens are shown", async (t) => {
  const { url, post } = await startServer(t);
  await (await post("/v1/completions", { prompt: "x" })).text();
  const text = await (await fetch(`${url}/metrics`)).text();
  for (const line of [
    'troupe:step_seconds_total{part="run",model_name="understudy"} 1.25',
    'troupe:step_seconds_total{part="model",model_name="understudy"} 0.25',
    'troupe:step_seconds_total{part="messages",model_name="understudy"} 0.5',
    'troupe:session_runs_total{model_name="understudy"} 1518',
    'troupe:actor_up{actor="edge",model_name="understudy"} 1',
    'troupe:actor_mailbox_messages{actor="edge",model_name="understudy"} 3',
    'troupe:actor_mailbox_bytes{actor="edge",model_name="understudy"} 300',
    'troupe:actor_messages_total{actor="edge",model_name="understudy"} 5',
    'troupe:actor_handler_seconds_total{actor="edge",model_name="understudy"} 0.25',
    'troupe:actor_restarts_total{actor="edge",model_name="understudy"} 1',
    'vllm:request_queue_time_seconds_bucket{le="0.005",model_name="understudy"} 1',
    'vllm:inter_token_latency_seconds_count{model_name="understudy"} 2',
  ])
    assert.ok(text.includes(`${line}\n`), `${line}\n${text}`);
});
