/** What every route and every socket works with. */
import type { ServerConfig } from "../config/config.ts";
import type { Clock } from "../core/clock.ts";
import type { Engine } from "../protocol/engine.ts";
import { resolveModelName } from "../protocol/openai/models.ts";
import type { SamplingFields } from "../protocol/openai/sampling-fields.ts";
import type { AnswerMessage } from "../protocol/stream-messages.ts";
import {
  type CreateSamplingParamsOptions,
  createSamplingParams,
} from "../sampling/create-sampling-params.ts";
import { compileGrammar } from "../sampling/grammar/compile-grammar.ts";
import type { GrammarSpec } from "../sampling/grammar/grammar-spec.ts";
import type { SamplingParams } from "../sampling/sampling-params.ts";
import type { ActiveWork } from "./active-work.ts";
import type { KeptStreams } from "./kept-streams.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";

import type { ModelRegistry } from "./model-registry.ts";

import type { PeerTable } from "./peer-table.ts";

/** Shared by all requests of one server. */
export interface ServingContext {
  /** Of the model that this context is for; in a server's own context of the default model, whichever that is now. */
  readonly engine: Engine;
  readonly models: ModelRegistry;
  /** The context of the model of that name; the default one's for null, and for a name that `checkModel` will refuse. */
  readonly forModel: (name: string | null) => ServingContext;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly work: ActiveWork;
  readonly peers: PeerTable;
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

/** What the contexts of all models have in common. */
export type SharedContext = Omit<ServingContext, "engine" | "forModel">;

/** @returns the server's own context */
export function createContexts(shared: SharedContext): ServingContext {
  const { models } = shared;
  const contexts = new WeakMap<Engine, ServingContext>();
  const contextOf = (engine: Engine): ServingContext => {
    const context = contexts.get(engine) ?? { ...shared, engine, forModel };
    contexts.set(engine, context);
    return context;
  };
  const forModel = (name: string | null): ServingContext =>
    contextOf((name === null ? null : models.find(name)) ?? models.default);
  return {
    ...shared,
    forModel,
    get engine() {
      return models.default;
    },
  };
}

/**
 * Checks the ranges of a request's sampling fields and fills in the model's defaults.
 *
 * @param format the form of the answer; null for any
 * @param limits where the request's dialect allows more than others
 * @throws TroupeError `invalid_request`, naming the field as the wire spells it.
 */
export function toSamplingParams(
  context: ServingContext,
  fields: SamplingFields,
  nameField: (field: string) => string,
  format: GrammarSpec | null = null,
  limits: Pick<CreateSamplingParamsOptions, "ranges" | "maxStopStrings"> = {},
): SamplingParams {
  const { vocabSize, defaultParams } = context.engine.info;
  const grammar = format === null ? {} : { grammar: compileGrammar(format) };
  return createSamplingParams(
    { ...fields, ...grammar },
    {
      vocabSize,
      nameField,
      defaults: defaultParams,
      ...limits,
    },
  );
}

/** @throws TroupeError `model_not_found`, unless the context is that of the model of that name. */
export function checkModel({ engine, models }: ServingContext, name: string | null): string {
  return resolveModelName(engine.info, name, models.names);
}
