/**
 * The text side of a request as the edge uses it: a tokenizer pool, or none at all.
 */
import { cutIds, type PromptCut } from "../core/cut-ids.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { Prompt, TextLogprobs } from "../protocol/engine.ts";
import type { PositionLogprobs, SamplingParams } from "../sampling/sampling-params.ts";
import type { FinishReason } from "../scheduling/step-plan.ts";
import type { OutputState } from "../text/output-stream.ts";
import type { ScoredStep } from "../text/text-model.ts";

/** A prompt in tokens, and where the text of its answers starts from. */
export interface StagedPrompt {
  readonly promptIds: Int32Array;
  readonly promptText: string | null;
  /** Tokens that end an answer to this prompt, beside the model's own. */
  readonly endTokenIds: readonly number[];
  readonly output: OutputState | null;
}

/** One answer's share of a step, in tokens. */
export interface TokenStep {
  readonly state: OutputState | null;
  /** Each becomes an event of its own. */
  readonly parts: readonly ScoredStep[];
}

/** A part of it as text. */
export interface TextStep {
  readonly state: OutputState | null;
  readonly text: string;
  /** Tokens after the one that completed a stop string are left out. */
  readonly tokenIds: readonly number[];
  readonly logprobs: readonly TextLogprobs[] | null;
  readonly finishReason: FinishReason | null;
  readonly stopString: string | null;
}

/** Every method rejects with a TroupeError. */
export interface TextStage {
  /** @param cuts made one after the other to a longer prompt */
  prepare(prompt: Prompt, params: SamplingParams, cuts: readonly PromptCut[]): Promise<StagedPrompt>;
  /** @returns for each answer its parts, up to the one that ends it */
  advanceAll(steps: readonly TokenStep[]): Promise<readonly (readonly TextStep[])[]>;
  textLogprobs(positions: readonly (PositionLogprobs | null)[]): Promise<readonly (TextLogprobs | null)[]>;
}

/** For folders served without a tokenizer: ids in, ids out, empty texts. */
export const tokenIdsOnly: TextStage = {
  async prepare(prompt, params, cuts) {
    if (prompt.kind !== "ids")
      throw unsupported("A prompt as text needs a tokenizer; send token ids instead.");
    if (params.stop.length > 0)
      throw unsupported("Stop strings need a tokenizer; use stop_token_ids instead.", "stop");
    if (params.grammar !== null)
      throw unsupported("A form of the answer needs a tokenizer.", "response_format");
    const promptIds = cutIds(Int32Array.from(prompt.ids), cuts);
    return { promptIds, promptText: null, endTokenIds: [], output: null };
  },
  async advanceAll(steps) {
    return steps.map(({ state, parts }) =>
      parts.map(({ logprobs, ...part }) => ({
        ...part,
        state,
        text: "",
        logprobs: logprobs?.map(withoutText) ?? null,
        stopString: null,
      })),
    );
  },
  async textLogprobs(positions) {
    return positions.map((position) => (position === null ? null : withoutText(position)));
  },
};

function withoutText(position: PositionLogprobs): TextLogprobs {
  const nothing = { text: "", bytes: [] };
  return { ...position, ...nothing, top: position.top.map((entry) => ({ ...entry, ...nothing })) };
}

function unsupported(message: string, param = "prompt"): TroupeError {
  return new TroupeError(
    "unsupported",
    `This server runs without a tokenizer (--skip-tokenizer-init). ${message}`,
    {
      details: { param },
    },
  );
}
