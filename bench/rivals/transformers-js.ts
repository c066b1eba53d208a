/**
 * transformers.js on onnxruntime-node: the whole decoder as one ONNX graph, exported by Troupe in the folder layout that it
 * reads. It has no continuous batching: streams that are opened together become a batch, others wait beside it.
 */
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import {
  AutoModelForCausalLM,
  BaseStreamer,
  env,
  InterruptableStoppingCriteria,
  Tensor,
} from "@huggingface/transformers";
import { exportModel } from "../../src/model/export/export-model.ts";
import type { LlamaShape } from "../random-checkpoint.ts";
import { BENCH_FOLDER, randomModel } from "../random-model.ts";
import type { Contestant, ContestantModule } from "./contestant.ts";

/** What transformers.js calls a precision, the file it looks for, and what Troupe calls it. */
const PRECISIONS: Readonly<Record<string, { readonly file: string; readonly precision: "w4" | "w8" }>> = {
  q4: { file: "model_q4.onnx", precision: "w4" },
  q8: { file: "model_quantized.onnx", precision: "w8" },
};
const MAX_NEW_TOKENS = 512;

type Model = Awaited<ReturnType<typeof AutoModelForCausalLM.from_pretrained>>;

function folderOf(shape: LlamaShape, precision: string): string {
  return join(BENCH_FOLDER, `random-llama-${Object.values(shape).join("-")}.transformers-${precision}`);
}

export const contestant: ContestantModule = {
  async prepare({ shape, precision: name }) {
    const outputDir = folderOf(shape, name);
    if (existsSync(outputDir)) return;
    const { file, precision } = PRECISIONS[name]!;
    const temporary = `${outputDir}.${process.pid}`;
    const { modelDir } = randomModel(shape);
    await exportModel({ modelDir, outputDir: temporary, precision, maxModelLen: null });
    mkdirSync(join(temporary, "onnx"));
    renameSync(join(temporary, "prefill.onnx"), join(temporary, "onnx", file));
    renameSync(join(temporary, "model.onnx.data"), join(temporary, "onnx", "model.onnx.data"));
    renameSync(temporary, outputDir);
  },
  async load({ shape, precision, numThreads }): Promise<Contestant> {
    env.allowRemoteModels = false;
    env.localModelPath = BENCH_FOLDER;
    const model = await AutoModelForCausalLM.from_pretrained(folderOf(shape, precision), {
      dtype: precision,
      device: "cpu",
      local_files_only: true,
      session_options: { intraOpNumThreads: numThreads },
    });
    const batches = new Batches(model);
    return {
      open: (ids, signal) => batches.open(ids, signal),
      close: async () => void (await model.dispose()),
    };
  },
};

interface Member {
  readonly ids: readonly number[];
  readonly signal: AbortSignal;
  numTokens: number;
  hasEnded: boolean;
  wake: (() => void) | null;
}

/** Makes one batch of all streams that are opened in the same turn of the event loop. */
class Batches {
  readonly #model: Model;
  #next: Member[] = [];

  constructor(model: Model) {
    this.#model = model;
  }

  async *open(ids: readonly number[], signal: AbortSignal): AsyncGenerator<number, void, void> {
    const member: Member = { ids, signal, numTokens: 0, hasEnded: false, wake: null };
    if (this.#next.push(member) === 1) setImmediate(() => void this.#run());
    for (let told = 0; !signal.aborted; ) {
      if (member.numTokens > told) {
        yield member.numTokens - told;
        told = member.numTokens;
      } else if (member.hasEnded) return;
      else
        await new Promise<void>((resolve) => {
          member.wake = resolve;
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
    }
  }

  async #run(): Promise<void> {
    const members = this.#next;
    this.#next = [];
    const stopping = new InterruptableStoppingCriteria();
    const length = members[0]!.ids.length;
    const dims = [members.length, length];
    const inputs = BigInt64Array.from(
      members.flatMap(({ ids }) => [...ids]),
      BigInt,
    );
    await this.#model.generate({
      inputs: new Tensor("int64", inputs, dims),
      attention_mask: new Tensor("int64", new BigInt64Array(inputs.length).fill(1n), dims),
      max_new_tokens: MAX_NEW_TOKENS,
      // random weights end an answer whenever they like
      min_new_tokens: MAX_NEW_TOKENS,
      do_sample: false,
      streamer: new MemberStreamer(members, stopping),
      stopping_criteria: stopping,
    });
    for (const member of members) {
      member.hasEnded = true;
      member.wake?.();
    }
  }
}

/** Tells the members of a batch of each step, and stops the batch when all have left. */
class MemberStreamer extends BaseStreamer {
  readonly #members: readonly Member[];
  readonly #stopping: InterruptableStoppingCriteria;
  #isPrompt = true;

  constructor(members: readonly Member[], stopping: InterruptableStoppingCriteria) {
    super();
    this.#members = members;
    this.#stopping = stopping;
  }

  put(): void {
    // the prompts come first
    if (!this.#isPrompt) {
      for (const member of this.#members) {
        member.numTokens++;
        member.wake?.();
      }
    }
    this.#isPrompt = false;
    if (this.#members.every(({ signal }) => signal.aborted)) this.#stopping.interrupt();
  }

  end(): void {
    // members learn it when generate resolves
  }
}
