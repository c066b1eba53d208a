/** Command lines of other systems' documentation, as they stand there but for the names of folders. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { createServices } from "../../../src/cli/real-services.ts";
import { runCli } from "../../../src/cli/run-cli.ts";
import type { WeightsRequest } from "../../../src/cli/services.ts";
import { embeddedModelPath } from "../../../src/config/embedded-model.ts";
import { type FakeOptions, fakeRun } from "../fake-context.ts";

const MODEL = embeddedModelPath();
const real = { services: createServices() };

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "troupe-old-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function run(options: FakeOptions): Promise<{ exit: number; out: string; err: string }> {
  const started = fakeRun(options);
  const exit = await runCli(started.context);
  return { exit, out: started.out(), err: started.err() };
}

for (const [flag, file] of [
  ["--config", "qwen2_72b.json"],
  ["--config_path", "qwen1.5_14b.json"],
] as const) {
  test(`br_api_server ${flag} serves its configuration on the port that is named`, async (t) => {
    const cwd = folderOf(t);
    const sample = readFileSync("configs/br-vllm-serving.json", "utf8").replace(
      "../models/understudy",
      MODEL,
    );
    writeFileSync(join(cwd, file), sample);
    const started = fakeRun({ args: ["br_api_server", flag, file, "--port", "8123"], cwd });
    const exit = runCli(started.context);
    await started.shown("Ctrl-C stops it.");
    started.signal("SIGTERM");
    assert.equal(await exit, 0);
    const [config] = started.configs;
    assert.deepEqual([config?.server.port, config?.model.servedNames], [8123, ["troupe/understudy"]]);
  });
}

test("mindieservice_daemon serves conf/config.json and says that it is ready as MindIE does", async (t) => {
  const cwd = folderOf(t);
  mkdirSync(join(cwd, "conf"));
  const sample = readFileSync("configs/mindie.json", "utf8").replaceAll("../models/understudy", MODEL);
  writeFileSync(join(cwd, "conf", "config.json"), sample);
  const started = fakeRun({ args: ["mindieservice_daemon"], cwd });
  const exit = runCli(started.context);
  await started.shown("Daemon start success!");
  started.signal("SIGTERM");
  assert.equal(await exit, 0);
});

test("run_infer_main continues one input, whole as streamed, and names flags without effect", async () => {
  const args = [
    ..."run_infer_main --device_id 0 --model_name bloom --seq_length 128 --is_sample_acceleration True".split(
      " ",
    ),
    ...["--prefill_model_path", MODEL, "--predict_data", "Once upon a time", "--max_output_length", "8"],
  ];
  const whole = await run({ args, ...real });
  assert.equal(whole.exit, 0, whole.err);
  assert.match(whole.out, /^Once upon a time.+\n$/);
  assert.match(whole.err, /Flags that have no effect here: --device_id, --is_sample_acceleration\.\n/);
  const streamed = await run({ args: [...args, "--stream", "True"], ...real });
  assert.equal(`Once upon a time${streamed.out}`, whole.out);
});

test("run_infer_main reads inputs until exit, puts the prompt form around them, and draws when told", async () => {
  const args = [
    ..."run_infer_main --seq_length 128 --max_output_length 4 --batch_size 2 --do_sample True --top_k 5".split(
      " ",
    ),
    ...["--model_dir", MODEL, "--prompt", "A story: {}"],
  ];
  const { exit, out, err } = await run({ args, input: "Once\n\nThe fox\nexit\nnever\n", ...real });
  assert.equal(exit, 0, err);
  const lines = out
    .trimEnd()
    .split("\n")
    .filter((line) => line.startsWith("A story: "));
  assert.equal(lines.length, 4);
  assert.ok(lines[0]?.startsWith("A story: Once") && lines[3]?.startsWith("A story: The fox"));
});

test("run_llm_boost answers a batch, honours sampling, and saves the answers", async (t) => {
  const cwd = folderOf(t);
  writeFileSync(
    join(cwd, "predict.yaml"),
    "load_checkpoint: elsewhere\nuse_parallel: False\nrun_mode: predict\n",
  );
  const args = [
    ...["run_llm_boost", "--predict_data", "Once upon a time", "--config_path", "predict.yaml"],
    ...["--load_checkpoint", MODEL, "--vocab_file", "vocab.json", "--merges_file", "merges.txt"],
    ..."--use_parallel False --batch_size 4 --seq_length 32 --max_decode_length 24 --save_file results.txt".split(
      " ",
    ),
  ];
  const greedy = await run({ args, cwd, ...real });
  assert.equal(greedy.exit, 0, greedy.err);
  assert.match(greedy.err, /Without effect here: run_mode, --vocab_file, --merges_file\./);
  assert.equal(readFileSync(join(cwd, "results.txt"), "utf8"), greedy.out);
  assert.equal(greedy.out.split("Once upon a time").length, 5);
  const first = greedy.out.slice(0, greedy.out.length / 4);
  assert.equal(greedy.out, first.repeat(4));
  const drawn = await run({ args: [...args, "--do_sample", "True", "--top_k", "50"], cwd, ...real });
  assert.notEqual(drawn.out, greedy.out);
});

test("run_llm_boost measures throughput for lengths that fit", async () => {
  const args = [
    "run_llm_boost",
    "--load_checkpoint",
    MODEL,
    "--seq_length",
    "64",
    "--measure_throughput",
    "True",
  ];
  const { exit, out, err } = await run({ args, ...real });
  assert.equal(exit, 0, err);
  assert.match(out, /^batch {2}length {2}tokens\/s\n {4}1 {6}32 +[\d.]+\n {4}4 {6}32 +[\d.]+\n$/);
});

test("run_llm_boost writes the strategy and nothing else", async (t) => {
  const cwd = folderOf(t);
  const args = [
    ...["run_llm_boost", "--only_save_strategy", "True", "--load_checkpoint", MODEL],
    ..."--use_parallel True --device_num 2".split(" "),
  ];
  const { exit, out } = await run({ args, cwd, ...real });
  assert.equal(exit, 0);
  assert.equal(out, `Written: ${join("output", "strategy", "strategy.json")}\n`);
  assert.ok(existsSync(join(cwd, "output", "strategy", "strategy.json")));
});

test("weights are converted, cut and merged by the tools' own names", async (t) => {
  const cwd = folderOf(t);
  const asked: WeightsRequest[] = [];
  const services: FakeOptions["services"] = {
    writeWeights: async (request) => {
      asked.push(request);
      return { folder: request.outputDir, weightBytes: 1, wasWritten: true, isIdentical: null };
    },
  };
  const lines = [
    "convert_weight --model llama --input_path in --output_path out/llama.ckpt --dtype fp16",
    "convert_weight --model llama --input_path in --output_path out",
    "transform_checkpoint --src_checkpoint in --dst_checkpoint_dir cut --dst_strategy tp2.json --prefix checkpoint_ --world_size 2",
    "model_convert --model_name models--Qwen --model_dir in --output_dir ./",
    "transform_checkpoint --src_ckpt_dir cut --dst_ckpt_dir whole --dst_ckpt_strategy None",
  ];
  for (const line of lines) {
    const { exit, err } = await run({ args: line.split(" "), cwd, services });
    assert.equal(exit, 0, err);
  }
  assert.deepEqual(
    asked.map(({ modelDir, outputDir, work }) => [modelDir, outputDir, work]),
    [
      [resolve(cwd, "in"), resolve(cwd, "out/llama"), { kind: "convert", precision: "fp16" }],
      [resolve(cwd, "in"), resolve(cwd, "out"), { kind: "convert", precision: "bf16" }],
      [
        resolve(cwd, "in"),
        resolve(cwd, "cut"),
        { kind: "split", strategy: { file: resolve(cwd, "tp2.json") } },
      ],
      [resolve(cwd, "in"), resolve(cwd, "models--Qwen"), { kind: "convert", precision: "w8" }],
      [resolve(cwd, "cut"), resolve(cwd, "whole"), { kind: "merge" }],
    ],
  );
});

test("post_sampling_model writes both graphs; run_infer_main runs what export has written", async (t) => {
  const cwd = folderOf(t);
  const { exit, out } = await run({
    args: "post_sampling_model --output_dir post --vocab_size 2048".split(" "),
    cwd,
  });
  assert.equal(exit, 0);
  assert.equal(
    out,
    `Written: ${join(cwd, "post", "argmax.onnx")}\nWritten: ${join(cwd, "post", "topk.onnx")}\n`,
  );
  writeFileSync(
    join(cwd, "run_understudy.yaml"),
    `load_checkpoint: "${MODEL}"\ninfer:\n  prefill_model_path: "graphs/prefill.onnx"\n  increment_model_path: "graphs/decode.onnx"\n`,
  );
  const exported = await run({ args: ["export", "--config_path", "run_understudy.yaml"], cwd, ...real });
  assert.equal(exported.exit, 0, exported.err);
  const line = "run_infer_main --device_id 0 --seq_length 64 --dynamic True --max_output_length 6";
  const graphs = "--prefill_model_path graphs/prefill.onnx --increment_model_path graphs/decode.onnx";
  const input = ["--predict_data", "Once upon a time"];
  const byGraphs = await run({ args: [...`${line} ${graphs}`.split(" "), ...input], cwd, ...real });
  const byFolder = await run({ args: [...line.split(" "), "--model_dir", MODEL, ...input], cwd, ...real });
  assert.equal(byGraphs.exit, 0, byGraphs.err);
  assert.equal(byGraphs.out, byFolder.out);
});

const REFUSED: readonly (readonly [line: string, message: RegExp])[] = [
  ["br_api_server --port 1", /br_api_server needs --config; troupe br_api_server --help explains/],
  ["post_sampling_model --output_dir a", /--vocab_size is missing/],
  ["export --model_dir a", /export needs --output/],
  ["run_infer_main --seq_length 8", /run_infer_main needs --model_dir or --prefill_model_path/],
  [
    `run_infer_main --model_dir ${MODEL} --predict_data a --stream perhaps`,
    /--stream: must be true or false/,
  ],
  ["run_infer_main --prefill_model_path gone.onnx", /gone\.onnx does not exist/],
  ["run_llm_boost --predict_data a", /needs --config_path or --load_checkpoint/],
  [
    `run_llm_boost --load_checkpoint ${MODEL} --seq_length 8 --max_decode_length 16`,
    /--seq_length is 8, less than --max_decode_length \(16\)/,
  ],
  ["run_llm_boost --only_save_strategy True", /--only_save_strategy needs --load_checkpoint/],
  ["convert_weight --input_path in", /convert_weight needs --output_path/],
  [
    "transform_checkpoint --src_checkpoint a --dst_checkpoint_dir b --dst_strategy ckpt_strategy_rank_0.ckpt",
    /a strategy file of MindSpore; write one with troupe split/,
  ],
];

for (const [line, message] of REFUSED) {
  test(`${line.replace(MODEL, "MODEL")} is refused in one line`, async () => {
    const { exit, err } = await run({
      args: line.split(" "),
      input: "",
      ...(line.includes("stream") ? real : {}),
    });
    assert.notEqual(exit, 0);
    assert.match(err, message);
  });
}
