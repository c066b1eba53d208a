/**
 * llama.cpp itself: built for this machine from the sources that node-llama-cpp brings along, driven by its own
 * `llama-batched-bench`. It knows decoding and prompts; what a server adds (requests that come and go) it does not have.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { BENCH_FOLDER } from "../random-model.ts";
import type { ContestantOptions, Task } from "./contestant.ts";
import { ggufFile } from "./gguf-file.ts";

const run = promisify(execFile);

/** Where the package keeps the sources it was built from. */
const BUNDLE = fileURLToPath(
  new URL("./node_modules/node-llama-cpp/llama/gitRelease.bundle", import.meta.url),
);
const SOURCES = join(BENCH_FOLDER, "llama.cpp");
const BENCH = join(SOURCES, "build", "bin", "llama-batched-bench");
const BATCH_SIZE = "512";
const NUM_STEPS = 48;
const SETTINGS = ["CURL", "OPENSSL", "BUILD_TESTS", "BUILD_EXAMPLES", "BUILD_SERVER", "BUILD_WEBUI"];

/** A line of the program's output. */
interface BatchedBenchLine {
  readonly t_pp: number;
  readonly speed_tg: number;
}

/** What a {@link Rival} is, without a process that stays. */
export class NativeLlama {
  readonly #options: ContestantOptions;

  constructor(options: ContestantOptions) {
    this.#options = options;
  }

  /** @throws TroupeError `unsupported` for what the program does not measure */
  async perform(task: Task): Promise<number> {
    if (task.kind === "prepare") return await this.#prepare();
    if (task.kind === "decode") {
      const { speed_tg } = await this.#bench(task.numStreams, task.contextLen, NUM_STEPS);
      return speed_tg;
    }
    if (task.kind === "firstToken" && task.numStreams === 0)
      return (await this.#bench(1, task.promptLen, 1)).t_pp * 1000;
    throw new TroupeError("unsupported", `llama-batched-bench does not measure "${task.kind}"`);
  }

  async end(): Promise<void> {
    // nothing stays between two tasks
  }

  async #prepare(): Promise<number> {
    ggufFile(this.#options.shape, this.#options.precision);
    if (existsSync(BENCH)) return 0;
    await run("git", ["clone", "--quiet", BUNDLE, SOURCES]);
    const flags = SETTINGS.map((name) => `-DLLAMA_${name}=OFF`);
    const build = join(SOURCES, "build");
    await run("cmake", [
      "-S",
      SOURCES,
      "-B",
      build,
      "-DCMAKE_BUILD_TYPE=Release",
      "-DGGML_NATIVE=ON",
      ...flags,
    ]);
    const jobs = String(this.#options.numThreads);
    const target = ["--target", "llama-batched-bench", "--parallel", jobs];
    await run("cmake", ["--build", build, ...target], { maxBuffer: 2 ** 26 });
    return 0;
  }

  async #bench(numStreams: number, promptLen: number, numSteps: number): Promise<BatchedBenchLine> {
    const { shape, precision, numThreads, flashAttention } = this.#options;
    const numTokens = numStreams * (promptLen + numSteps);
    const { stdout } = await run(BENCH, [
      ...["-m", ggufFile(shape, precision), "-t", String(numThreads), "-fa", flashAttention ? "on" : "off"],
      ...["-c", String(numTokens + 256), "-b", BATCH_SIZE, "-ub", BATCH_SIZE],
      ...["-npp", String(promptLen), "-ntg", String(numSteps), "-npl", String(numStreams)],
      ...["--output-format", "jsonl"],
    ]);
    const line = stdout.split("\n").find((text) => text.startsWith("{"));
    if (line === undefined)
      throw new TroupeError("unsupported", `llama-batched-bench wrote no figures: ${stdout}`);
    return JSON.parse(line) as BatchedBenchLine;
  }
}
