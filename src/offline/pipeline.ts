/** `pipeline()`, the entry of MindSpore Lite's inference: one call for a model by name, by files, by folder. */
import { TroupeError } from "../errors/troupe-error.ts";
import { findInferConfig, type InferOverrides } from "./find-infer-config.ts";
import { InferTask } from "./infer-task.ts";
import type { TextGenerationPipeline } from "./text-generation.ts";

/** The model, and every option of InferConfig, which wins over what the model's files say. */
export interface PipelineOptions extends InferOverrides {
  /** A known name, a folder, a graph, or the graphs for whole prompts and for one more token. */
  readonly model: string | readonly [prefill: string, increment: string];
  /** Folder of the tokenizer's files; absent, that of the model. */
  readonly tokenizer?: string;
  /** Both mean the same here. Default `mslite`. */
  readonly backend?: "ms" | "mslite";
  /** Where run_NAME.yaml of known names lie. Default: configs in the working directory. */
  readonly configDir?: string;
}

/**
 * @param task `text_generation`
 * @throws TroupeError `unsupported` for another task or backend, `invalid_config`, and those of `startEngine`
 * @example
 * ```ts
 * const lite = await pipeline("text_generation", { model: "models/understudy", inferSeqLength: 512 });
 * console.log(await lite("Once upon a time", { maxLength: 64 }));
 * await lite.close();
 * ```
 */
export async function pipeline(task: string, options: PipelineOptions): Promise<TextGenerationPipeline> {
  const { model, tokenizer, backend = "mslite", configDir = "configs", ...overrides } = options;
  if (backend !== "ms" && backend !== "mslite")
    throw new TroupeError(
      "unsupported",
      `There is no backend "${backend as string}"; it is "ms" or "mslite".`,
    );
  const config = findInferConfig(model, overrides, configDir);
  return await InferTask.getInferTask(task, config, tokenizer === undefined ? {} : { tokenizer });
}
