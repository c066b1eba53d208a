import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../../src/core/manual-clock.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { FakeEngine } from "./fake-engine.ts";
import { startServer } from "./test-server.ts";

const LIMITS = {
  maxNumBatchedTokens: 8192,
  maxPromptTokens: 2048,
  maxAnswerTokens: 512,
  maxPrefillSeqs: 50,
  maxPrefillTokens: 8192,
  numRanks: 1,
};
const engineOf = (): FakeEngine =>
  new FakeEngine({ names: ["qwen2_7b"], maxModelLen: 2560, maxNumSeqs: 200, limits: LIMITS });
const MANAGED = { management: { port: 0 } };

test("the queries about the model, byte for byte", async (t) => {
  const { url } = await startServer(t, { engine: engineOf() });
  const read = async (path: string): Promise<string> => await (await fetch(url + path)).text();
  assert.equal(
    await read("/v2"),
    '{"name":"MindIE Server","version":"1.2.3","extensions":{"max_iter_times":512,"prefill_policy_type":0,"decode_policy_type":0,"max_prefill_batch_size":50,"max_prefill_tokens":8192}}',
  );
  assert.equal(
    await read("/v2/models/qwen2_7b"),
    '{"name":"qwen2_7b","platform":"MindIE Server","inputs":[{"name":"input0","shape":[-1],"datatype":"UINT32"}],"outputs":[{"name":"output0","shape":[-1],"datatype":"UINT32"}]}',
  );
  assert.equal(
    await read("/v2/models/qwen2_7b/config"),
    '{"model_name":"qwen2_7b","input_datatype":"UINT32","output_datatype":"UINT32","max_seq_len":2560,"npu_mem_size":-1,"cpu_mem_size":0,"world_size":1,"model_weight_path":"qwen2_7b","model_instance_type":"Standard"}',
  );
  assert.equal((await fetch(`${url}/v2/models/other`)).status, 404);
});

test("the queries for operators, byte for byte", async (t) => {
  const { management, engine } = await startServer(t, { engine: engineOf(), ...MANAGED });
  engine.numLive = 2;
  const read = async (path: string): Promise<string> => await (await fetch(management + path)).text();
  assert.equal(
    await read("/info"),
    '{"docker_label":null,"max_batch_total_tokens":8192,"max_best_of":1,"max_concurrent_requests":200,"max_stop_sequences":null,"max_waiting_tokens":null,"sha":null,"validation_workers":null,"version":"1.2.3","waiting_served_ratio":null,"models":[{"model_device_type":"cpu","model_dtype":"fp32","model_id":"qwen2_7b","model_pipeline_tag":"text-generation","model_sha":null,"max_total_tokens":2560}],"max_input_length":2048}',
  );
  assert.equal(
    await read("/v2/models/qwen2_7b/getSlotCount"),
    '{"total_slots":200,"free_slots":198,"available_tokens_length":1200}',
  );
  assert.equal(
    await read("/v1/config"),
    '{"modelName":"qwen2_7b","maxSeqLen":2560,"npuMemSize":-1,"cpuMemSize":0,"worldSize":1,"maxOutputLen":512,"cacheBlockSize":16}',
  );
  const resource =
    '"availSlotsNum":198,"availBlockNum":75,"waitingRequestNum":0,"runningRequestNum":2,"swappedRequestNum":0,"freeNpuBlockNums":75,"freeCpuBlockNums":0,"totalNpuBlockNums":100,"totalCpuBlockNums":0';
  assert.equal(
    await read("/v1/status"),
    `{"service":{"roleStatus":"RoleReady","currentRole":"none"},"resource":{${resource}},"linkStatus":{"peers":[]}}`,
  );
  assert.equal(
    await read("/v2/status"),
    `{"service":{"roleStatus":"RoleReady","currentRole":"none"},"resource":{${resource},"totalAvailNpuSlotsNum":198,"totalAvailNpuBlockNum":75,"maxAvailNpuBlockNum":75},"linkStatus":{"peers":[]}}`,
  );
  const metric = (name: string, value: string): string =>
    `{"metric":[{"__name__":"${name}","job":"node","instance":"127.0.0.1:0"}],"value":"${value}"}`;
  assert.equal(
    await read("/metrics-json"),
    `{"resultType":"vector","result":[${metric("TTFT", "0")},${metric("TBT", "0")},${metric("waitingInferRequestNum", "0")},${metric("processingInferRequestNum", "2")},${metric("remainBlocks", "75")}]}`,
  );
});

test("probes answer with nothing, and with 503 while the server stops or is not ready", async (t) => {
  const { management, engine, server, post } = await startServer(t, MANAGED);
  const paths = ["/v2/health/live", "/v2/health/ready", "/v2/models/understudy/ready"];
  for (const path of paths) {
    const response = await fetch(management + path);
    assert.deepEqual([response.status, await response.text()], [200, ""]);
  }
  assert.equal((await fetch(`${management}/v2/models/other/ready`)).status, 404);
  engine.state = "recovering";
  for (const path of paths) assert.equal((await fetch(management + path)).status, 503);
  engine.state = "ready";
  engine.hold();
  const running = post("/generate", { inputs: "x" });
  await engine.until(({ numLive }) => numLive === 1);
  const closed = server.close({ drainMs: 60_000 });
  const response = await fetch(`${management}/v2/health/ready`);
  assert.equal(response.status, 503);
  assert.equal(
    await response.text(),
    '{"error":"The service has been stopped.","error_type":"Service Unavailable"}',
  );
  assert.equal(await (await fetch(`${management}/health/timed`)).text(), '{"status":"healthy"}');
  engine.release();
  await running;
  await closed;
});

test("/health/timed generates a token within the time given", async (t) => {
  const clock = new ManualClock();
  const { management, engine } = await startServer(t, { ...MANAGED, clock });
  const healthy = await fetch(`${management}/health/timed-5`);
  assert.deepEqual([healthy.status, await healthy.text()], [200, '{"status":"healthy"}']);
  assert.deepEqual(engine.requests[0]?.params.maxTokens, 1);
  engine.hold();
  const late = fetch(`${management}/health/timed-5`);
  await engine.until(({ numLive }) => numLive === 1);
  clock.advance(5000);
  const response = await late;
  assert.equal(response.status, 500);
  assert.deepEqual(await response.json(), {
    error: "No token was generated within 5 s.",
    error_type: "Incomplete Generation",
  });
  engine.release();
  engine.script = { refuse: new TroupeError("queue_full", "all hands full") };
  assert.equal((await fetch(`${management}/health/timed`)).status, 200);
  for (const seconds of ["0", "601", "x", "1000"])
    assert.equal((await fetch(`${management}/health/timed-${seconds}`)).status, 404);
});

test("roles of split nodes are refused in plain words", async (t) => {
  const { management } = await startServer(t, MANAGED);
  for (const path of ["/v1/role/prefill", "/v2/role/decode"]) {
    const response = await fetch(management + path, { method: "POST" });
    assert.equal(response.status, 422);
    assert.match(((await response.json()) as { error: string }).error, /not split between nodes/);
  }
});

test("without a management listener its queries are on the server's own, with one they are not", async (t) => {
  const alone = await startServer(t);
  const managed = await startServer(t, MANAGED);
  for (const path of ["/v2/health/ready", "/info", "/v1/config", "/metrics-json"]) {
    assert.equal((await fetch(alone.url + path)).status, 200);
    assert.equal((await fetch(managed.url + path)).status, 404);
    assert.equal((await fetch(managed.management + path)).status, 200);
  }
});

test("the means of /metrics-json are those of the requests", async (t) => {
  const clock = new ManualClock();
  const { management, engine, post } = await startServer(t, { ...MANAGED, clock });
  engine.script = { tokens: ["a", "b", "c"], holdAfterTokens: 1 };
  const running = post("/generate", { inputs: "x" });
  await engine.until(({ isHeld }) => isHeld);
  clock.advance(40);
  engine.release();
  await running;
  const { result } = (await (await fetch(`${management}/metrics-json`)).json()) as {
    result: { metric: { __name__: string }[]; value: string }[];
  };
  assert.deepEqual(
    result.slice(0, 2).map(({ metric, value }) => [metric[0]?.__name__, value]),
    [
      ["TTFT", "0"],
      ["TBT", "20"],
    ],
  );
});

test("probes want no API key, everything else does", async (t) => {
  const { url } = await startServer(t, { config: { apiKeys: ["12345678"] } });
  assert.equal((await fetch(`${url}/v2/health/ready`)).status, 200);
  assert.equal((await fetch(`${url}/info`)).status, 401);
  const post = { method: "POST", body: '{"inputs":"x"}', headers: { "content-type": "application/json" } };
  assert.equal((await fetch(`${url}/`)).status, 200);
  const refused = await fetch(`${url}/`, post);
  assert.equal(refused.status, 401);
  assert.equal(((await refused.json()) as { error_type: string }).error_type, "Unauthorized");
});
