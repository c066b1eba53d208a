/** The tasks that pipelines are made for, by name. */
import { nearestName } from "../core/nearest-name.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { InferConfig } from "./infer-config.ts";
import { createTextGeneration, type TextGenerationPipeline } from "./text-generation.ts";

const TASKS = { text_generation: createTextGeneration } as const;

/** The factory of MindSpore Lite's inference. */
export const InferTask = {
  /**
   * @param options.tokenizer folder of the tokenizer's files; absent, that of the model
   * @throws TroupeError `unsupported` for a task that is none, and those of `startEngine`
   */
  async getInferTask(
    taskType: string,
    config: InferConfig,
    { tokenizer }: { readonly tokenizer?: string } = {},
  ): Promise<TextGenerationPipeline> {
    if (taskType === "text_generation") return await TASKS[taskType](config, tokenizer);
    const near = nearestName(taskType, InferTask.supportList());
    const hint =
      near === undefined ? `Tasks: ${InferTask.supportList().join(", ")}.` : `Did you mean "${near}"?`;
    throw new TroupeError("unsupported", `There is no task "${taskType}". ${hint}`, {
      details: { taskType },
    });
  },

  /** Whether there is a task of that name. */
  checkTaskValid(taskType: string): boolean {
    return Object.hasOwn(TASKS, taskType);
  },

  /** The names of all tasks. */
  supportList(): readonly string[] {
    return Object.keys(TASKS);
  },
};
