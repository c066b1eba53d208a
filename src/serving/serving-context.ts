/** What every route and every socket works with. */
import type { ServerConfig } from "../config/config.ts";
import type { Clock } from "../core/clock.ts";
import type { Engine } from "../protocol/engine.ts";
import { resolveModelName } from "../protocol/openai/models.ts";
import type { SamplingFields } from "../protocol/openai/sampling-fields.ts";
import type { AnswerMessage } from "../protocol/stream-messages.ts";
import { createSamplingParams } from "../sampling/create-sampling-params.ts";
import { compileGrammar } from "../sampling/grammar/compile-grammar.ts";
import type { GrammarSpec } from "../sampling/grammar/grammar-spec.ts";
import type { SamplingParams } from "../sampling/sampling-params.ts";
import type { ActiveWork } from "./active-work.ts";
import type { KeptStreams } from "./kept-streams.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";

/** Shared by all requests of one server. */
export interface ServingContext {
  readonly engine: Engine;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly work: ActiveWork;
  readonly limits: ServerConfig;
  /** Whether prompts are written to the log. */
  readonly logsPrompts: boolean;
  /** Streams of server-sent events that can be taken up again: the data of each event. */
  readonly eventStreams: KeptStreams<string>;
  /** The same of `/v1/stream`. */
  readonly messageStreams: KeptStreams<AnswerMessage>;
  /** Of this server. */
  readonly version: string;
  /** Unique names for requests. */
  readonly newId: () => string;
  /** Wall-clock time, for `created`. */
  readonly unixSeconds: () => number;
}

/**
 * Checks the ranges of a request's sampling fields and fills in the model's defaults.
 *
 * @param format the form of the answer; null for any
 * @throws TroupeError `invalid_request`, naming the field as the wire spells it.
 */
export function toSamplingParams(
  context: ServingContext,
  fields: SamplingFields,
  nameField: (field: string) => string,
  format: GrammarSpec | null = null,
): SamplingParams {
  const { vocabSize, defaultParams } = context.engine.info;
  const grammar = format === null ? {} : { grammar: compileGrammar(format) };
  return createSamplingParams({ ...fields, ...grammar }, { vocabSize, nameField, defaults: defaultParams });
}

/** @throws TroupeError `model_not_found`. */
export function checkModel(context: ServingContext, name: string | null): string {
  return resolveModelName(context.engine.info, name);
}
