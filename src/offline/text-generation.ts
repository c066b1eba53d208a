/** A pipeline that continues texts: an engine in this process behind the call of MindSpore Lite's inference. */
import { startEngine } from "../../actors/engine.ts";
import type { Engine } from "../protocol/engine.ts";
import { continueTexts, type TextGenerationOptions } from "./continue-texts.ts";
import type { InferConfig } from "./infer-config.ts";

/** Callable: `await lite("I love Beijing, because")`. */
export interface TextGenerationPipeline extends AsyncDisposable {
  /**
   * @returns each input with its continuation behind it, in order
   * @throws TroupeError `invalid_request` naming an option out of range, `prompt_too_long`, `cancelled`
   */
  (inputs: string | readonly string[], options?: TextGenerationOptions): Promise<string[]>;
  /** The same under the name that tasks have. */
  infer(inputs: string | readonly string[], options?: TextGenerationOptions): Promise<string[]>;
  readonly config: InferConfig;
  /** For everything that the call has no option for. */
  readonly engine: Engine;
  /** Ends the engine. */
  close(): Promise<void>;
}

/** @param tokenizer folder of the tokenizer's files; absent, that of the model */
export async function createTextGeneration(
  config: InferConfig,
  tokenizer: string | undefined,
): Promise<TextGenerationPipeline> {
  const engine = await startEngine(config.toTroupeConfig(tokenizer));
  const infer = (
    inputs: string | readonly string[],
    options: TextGenerationOptions = {},
  ): Promise<string[]> => continueTexts(engine, typeof inputs === "string" ? [inputs] : inputs, options);
  const close = (): Promise<void> => engine.stop({ drainMs: 0 });
  return Object.assign(infer.bind(null), { infer, config, engine, close, [Symbol.asyncDispose]: close });
}
