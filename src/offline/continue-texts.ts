/** Texts continued by an engine, with the options and defaults of MindSpore Lite's inference. */
import { TroupeError } from "../errors/troupe-error.ts";
import { collectEvents } from "../protocol/collected-generation.ts";
import type { Engine } from "../protocol/engine.ts";
import { createSamplingParams } from "../sampling/create-sampling-params.ts";
import type { SamplingParams } from "../sampling/sampling-params.ts";
import type { TextStreamer } from "./text-streamer.ts";

/** How texts are continued; what is left out takes the default. */
export interface TextGenerationOptions {
  /** Draw instead of taking the likeliest token. Default false. */
  readonly doSample?: boolean;
  /** Default 1. */
  readonly topK?: number;
  /** Default 1. */
  readonly topP?: number;
  /** Default 1. */
  readonly temperature?: number;
  /** Default 1. */
  readonly repetitionPenalty?: number;
  readonly seed?: number;
  /** Ends an answer. Default: what the model's own files say. */
  readonly eosTokenId?: number | readonly number[];
  /** Tokens of prompt and answer together. Default 256. */
  readonly maxLength?: number;
  /** Tokens of the answer; wins over maxLength. */
  readonly maxNewTokens?: number;
  /** Whether the tokenizer adds its special tokens to the prompt. Default false. */
  readonly addSpecialTokens?: boolean;
  /** Is told the text as it comes; with one input only. */
  readonly streamer?: TextStreamer;
  readonly signal?: AbortSignal;
}

const DEFAULT_MAX_LENGTH = 256;

/**
 * @returns each input with its continuation behind it, in order
 * @throws TroupeError `invalid_request` naming an option out of range, `prompt_too_long`, `cancelled`
 */
export async function continueTexts(
  engine: Engine,
  inputs: readonly string[],
  options: TextGenerationOptions,
): Promise<string[]> {
  const { streamer } = options;
  if (streamer !== undefined && inputs.length !== 1) {
    const text = `A streamer takes one input at a time (got ${inputs.length}); call the pipeline once for each.`;
    throw new TroupeError("invalid_request", text, { details: { param: "streamer" } });
  }
  try {
    const texts = await Promise.all(inputs.map((input) => continueOne(engine, input, options)));
    streamer?.end();
    return texts;
  } catch (error) {
    streamer?.fail(error);
    throw error;
  }
}

async function continueOne(engine: Engine, input: string, options: TextGenerationOptions): Promise<string> {
  const { addSpecialTokens = false, streamer, signal } = options;
  const prompt = { kind: "text", text: input, addSpecialTokens } as const;
  const params = await toParams(engine, prompt, options);
  if (streamer?.skipPrompt === false) streamer.put(input);
  const events = engine.generate({ prompt, params }, signal === undefined ? {} : { signal });
  const { answers } = await collectEvents(events, (event) => {
    if (event.kind === "delta") streamer?.put(event.text);
  });
  return `${input}${answers[0]?.text ?? ""}`;
}

async function toParams(
  engine: Engine,
  prompt: { readonly kind: "text"; readonly text: string },
  options: TextGenerationOptions,
): Promise<SamplingParams> {
  const {
    doSample = false,
    topK = 1,
    topP = 1,
    temperature = 1,
    repetitionPenalty = 1,
    eosTokenId,
  } = options;
  const ends = eosTokenId === undefined ? null : [eosTokenId].flat();
  return createSamplingParams(
    {
      ...(doSample ? { topK, topP, temperature } : { temperature: 0 }),
      repetitionPenalty,
      maxTokens:
        options.maxNewTokens ?? (await roomFor(engine, prompt, options.maxLength ?? DEFAULT_MAX_LENGTH)),
      ...(options.seed !== undefined && { seed: options.seed }),
      ...(ends !== null && { ignoreEos: true, stopTokenIds: ends }),
    },
    { vocabSize: engine.info.vocabSize },
  );
}

/** What maxLength leaves for the answer. @throws TroupeError `prompt_too_long` for nothing */
async function roomFor(
  engine: Engine,
  prompt: { readonly kind: "text"; readonly text: string },
  maxLength: number,
): Promise<number> {
  const { ids } = await engine.tokenize(prompt);
  const most = Math.min(maxLength, engine.info.maxModelLen);
  if (ids.length < most) return most - ids.length;
  const text = `The input has ${ids.length} tokens; maxLength is ${maxLength} and the model's length ${engine.info.maxModelLen}, both for input and answer together. Shorten the input, or raise them.`;
  throw new TroupeError("prompt_too_long", text, { details: { numTokens: ids.length, limit: most } });
}
