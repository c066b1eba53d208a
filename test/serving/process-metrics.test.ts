import assert from "node:assert/strict";
import { createHistogram } from "node:perf_hooks";
import { test } from "node:test";
import { MetricRegistry } from "../../src/serving/metric-registry.ts";
import { type DelayHistogram, ProcessMetrics } from "../../src/serving/process-metrics.ts";
import { startServer } from "./test-server.ts";

const MS = 1_000_000;

/** A histogram that is fed by the test. */
function recorded(...delaysMs: number[]): DelayHistogram & { isOn: boolean } {
  const histogram = createHistogram();
  for (const ms of delaysMs) histogram.record(ms * MS);
  return Object.assign(histogram, {
    isOn: false,
    enable(): boolean {
      this.isOn = true;
      return true;
    },
    disable(): boolean {
      this.isOn = false;
      return true;
    },
  });
}

function lagOf(text: string): Record<string, number> {
  const found = text.matchAll(/^nodejs_eventloop_lag_(\w+)_seconds (\S+)$/gm);
  return Object.fromEntries([...found].map((match) => [match[1], Math.round(Number(match[2]) * 1000)]));
}

test("the lag of the event loop is what goes beyond the distance of two looks, since the last scrape", async () => {
  const registry = new MetricRegistry();
  const histogram = recorded(10, 10, 10, 110);
  const metrics = new ProcessMetrics(registry, histogram);
  assert.ok(histogram.isOn);
  metrics.sample();
  const { stddev, ...lag } = lagOf(await registry.render());
  assert.deepEqual(lag, { min: 0, max: 100, mean: 25, p50: 0, p90: 100, p99: 100 });
  assert.ok(stddev! > 0);
  metrics.sample();
  assert.deepEqual(new Set(Object.values(lagOf(await registry.render()))), new Set([0]));
  metrics.close();
  assert.equal(histogram.isOn, false);
});

test("a server shows the lag, the memory and the processor time of its process", async (t) => {
  const { url } = await startServer(t);
  const text = await (await fetch(`${url}/metrics`)).text();
  assert.deepEqual(Object.keys(lagOf(text)), ["min", "max", "mean", "stddev", "p50", "p90", "p99"]);
  assert.ok(Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]) > 10e6, text);
  assert.ok(Number(/^process_cpu_seconds_total (\S+)$/m.exec(text)?.[1]) > 0, text);
});
