/** `LLM`, the offline class of br-vllm-serving and vLLM: prompts in, answers out, with their names of parameters. */
import { startEngine } from "../../actors/engine.ts";
import type { TroupeConfig } from "../config/config.ts";
import { loadConfig } from "../config/load-config.ts";
import { parse, z } from "../core/schema.ts";
import { type CollectedGeneration, collectEvents } from "../protocol/collected-generation.ts";
import type { Engine, Prompt } from "../protocol/engine.ts";
import { readSamplingFields, samplingShape, wireName } from "../protocol/openai/sampling-fields.ts";
import { createSamplingParams } from "../sampling/create-sampling-params.ts";

/** A file of br-vllm-serving, of Troupe or of another known system; or a configuration that was read already. */
export type LlmOptions = { readonly configPath: string } | { readonly config: TroupeConfig };

const schema = z.strictObject({ ...samplingShape, logprobs: z.int().nullish() });

/** vLLM's names: n, temperature, top_p, max_tokens, stop, ... */
export type LlmSamplingParams = z.input<typeof schema>;

/** One answer. */
export interface CompletionOutput {
  readonly index: number;
  readonly text: string;
  readonly token_ids: readonly number[];
  readonly finish_reason: string;
  readonly stop_reason: string | number | null;
}

/** A prompt and its answers. */
export interface RequestOutput {
  readonly prompt: string | null;
  readonly prompt_token_ids: readonly number[];
  readonly outputs: readonly CompletionOutput[];
}

/** Of vLLM when nothing is said. */
const DEFAULT_MAX_TOKENS = 16;

/**
 * The engine starts with the first call.
 *
 * @example
 * ```ts
 * const llm = new LLM({ configPath: "configs/br-vllm-serving.json" });
 * const [first] = await llm.generate(["Once upon a time"], { temperature: 0, max_tokens: 32 });
 * console.log(first?.outputs[0]?.text);
 * await llm.close();
 * ```
 */
export class LLM implements AsyncDisposable {
  readonly #config: TroupeConfig;
  #engine: Promise<Engine> | null = null;

  /** @throws TroupeError `invalid_config`, `file_error` */
  constructor(options: LlmOptions) {
    this.#config =
      "config" in options
        ? options.config
        : loadConfig({ file: options.configPath, base: { log: { level: "warn" } } });
  }

  /** Keys of another system's file that do nothing here. */
  get noEffect(): readonly string[] {
    return this.#config.origin.noEffect;
  }

  /**
   * As many at once as the configuration lets run; the others wait their turn.
   *
   * @returns in the order of the prompts
   * @throws TroupeError `invalid_request` naming a parameter, `prompt_too_long`, and those of `startEngine`
   */
  async generate(
    prompts: string | readonly (string | readonly number[])[],
    samplingParams: LlmSamplingParams = {},
  ): Promise<RequestOutput[]> {
    const wire = parse(schema, samplingParams, { code: "invalid_request", what: "sampling parameters" });
    this.#engine ??= startEngine(this.#config);
    const engine = await this.#engine;
    const fields = { maxTokens: DEFAULT_MAX_TOKENS, ...readSamplingFields(wire) };
    const logprobs = wire.logprobs == null ? {} : { logprobs: wire.logprobs };
    const params = createSamplingParams(
      { ...fields, ...logprobs },
      { vocabSize: engine.info.vocabSize, nameField: wireName },
    );
    const waiting = (typeof prompts === "string" ? [prompts] : prompts).map(toPrompt);
    const outputs: RequestOutput[] = [];
    const slots = waiting.keys();
    const worker = async (): Promise<void> => {
      for (const slot of slots) {
        const generation = engine.generate({ prompt: waiting[slot]!, params });
        outputs[slot] = toOutput(await collectEvents(generation));
      }
    };
    const numWorkers = Math.min(
      waiting.length,
      Math.max(1, Math.floor(engine.info.maxNumSeqs / params.bestOf)),
    );
    await Promise.all(Array.from({ length: numWorkers }, worker));
    return outputs;
  }

  /** Ends the engine; a second call does nothing. */
  async close(): Promise<void> {
    const engine = await this.#engine;
    this.#engine = null;
    await engine?.stop({ drainMs: 0 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function toPrompt(prompt: string | readonly number[]): Prompt {
  return typeof prompt === "string" ? { kind: "text", text: prompt } : { kind: "ids", ids: prompt };
}

function toOutput({ prompt, answers }: CollectedGeneration): RequestOutput {
  return {
    prompt: prompt.promptText,
    prompt_token_ids: prompt.promptIds,
    outputs: answers.map(({ text, tokenIds, finishReason, stopReason }, index) => ({
      index,
      text,
      token_ids: tokenIds,
      finish_reason: finishReason,
      stop_reason: stopReason,
    })),
  };
}
