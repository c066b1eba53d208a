/** `troupe generate`: an engine in this process, prompts in, answers out; no server. */
import type { TroupeConfig } from "../config/config.ts";
import { invariant, TroupeError } from "../errors/troupe-error.ts";
import { GenerationCollector } from "../protocol/collected-generation.ts";
import type { Engine, Prompt } from "../protocol/engine.ts";
import type { SamplingParams } from "../sampling/sampling-params.ts";
import { type CliContext, EXIT } from "./cli-context.ts";
import type { CommandSpec } from "./command-spec.ts";
import { configFromFlags, engineFlags } from "./config-flags.ts";
import { withEngine } from "./engine-session.ts";
import type { FlagValues } from "./flag-values.ts";
import { OrderedOutput } from "./ordered-output.ts";
import { readPrompts, toTokenIds } from "./read-prompts.ts";
import { samplingFlags, samplingFromFlags } from "./sampling-flags.ts";

const DEFAULT_MAX_TOKENS = 256;

export const generateCommand: CommandSpec = {
  name: "generate",
  summary: "generate text without a server",
  description:
    "Continues prompts and streams the text to the terminal. Prompts are the arguments, the lines of --file,\n" +
    `or all of standard input. An answer ends after ${DEFAULT_MAX_TOKENS} tokens unless --max-tokens says otherwise.`,
  positional: {
    name: "[prompts...]",
    description: "texts to continue (token ids with --skip-tokenizer-init)",
  },
  flags: [
    { flags: "-f, --file <file>", kind: "text", description: "take prompts from a file, one on each line" },
    {
      flags: "--chat",
      kind: "switch",
      description: "treat each prompt as a user's message: apply the chat template",
    },
    { flags: "--system <text>", kind: "text", description: "system message for --chat" },
    {
      flags: "--json",
      kind: "switch",
      description: "one JSON object a line: prompt, text, token ids, finish reason, usage",
    },
    ...samplingFlags,
    ...engineFlags,
  ],
  examples: [
    { line: 'troupe generate "There once was a brave dragon"', does: "continue a text" },
    {
      line: 'troupe generate --chat "What is 17 + 15?" --temperature 0',
      does: "ask; take the likeliest answer",
    },
    {
      line: "troupe generate --file prompts.txt --json > answers.jsonl",
      does: "many prompts at once, for a program",
    },
    {
      line: "echo 'The capital of France is' | troupe generate --max-tokens 8",
      does: "a prompt from standard input",
    },
  ],
  async run(context, flags, positional) {
    const config = configFromFlags(context, flags, { defaults: { log: { level: "warn" } } });
    const texts = await readPrompts(context, flags, positional);
    const prompts = texts.map((text) => toPrompt(text, flags, config));
    return await withEngine(context, config, async (engine) => {
      const params = samplingFromFlags(flags, engine.info, DEFAULT_MAX_TOKENS);
      return await generateAll(
        context,
        engine,
        { texts, prompts, params, isJson: flags.has("--json") },
        config,
      );
    });
  },
};

interface Job {
  readonly texts: readonly string[];
  readonly prompts: readonly Prompt[];
  readonly params: SamplingParams;
  readonly isJson: boolean;
}

/** Runs as many prompts at once as the engine does; a stop signal cuts them all. */
async function generateAll(
  context: CliContext,
  engine: Engine,
  job: Job,
  config: TroupeConfig,
): Promise<number> {
  const output = new OrderedOutput(context.stdout);
  const abort = new AbortController();
  let isInterrupted = false;
  const endSignals = context.onSignal(() => {
    isInterrupted = true;
    abort.abort();
  });
  const slots = job.prompts.keys();
  const worker = async (): Promise<void> => {
    for (const slot of slots) await generateOne(engine, job, slot, output, abort.signal);
  };
  try {
    const numWorkers = Math.min(job.prompts.length, config.engine.maxNumSeqs);
    await Promise.all(Array.from({ length: numWorkers }, worker));
  } catch (error) {
    if (!isInterrupted) throw error;
  } finally {
    abort.abort();
    endSignals();
  }
  return isInterrupted ? EXIT.interrupted : EXIT.ok;
}

async function generateOne(
  engine: Engine,
  job: Job,
  slot: number,
  output: OrderedOutput,
  signal: AbortSignal,
): Promise<void> {
  if (!job.isJson && job.texts.length > 1) await output.write(slot, `> ${job.texts[slot]}\n`);
  let collector: GenerationCollector | undefined;
  for await (const event of engine.generate({ prompt: job.prompts[slot]!, params: job.params }, { signal })) {
    if (event.kind === "prompt") collector = new GenerationCollector(event);
    collector?.add(event);
    if (event.kind !== "delta" || job.isJson) continue;
    await output.write(
      slot,
      engine.info.hasTokenizer ? event.text : event.tokenIds.map((id) => `${id} `).join(""),
    );
  }
  invariant(collector !== undefined, "a generation ended without its prompt event");
  if (signal.aborted) throw new TroupeError("cancelled", "The generation was cancelled.");
  await output.write(slot, job.isJson ? `${jsonLine(collector, slot, job)}\n` : "\n");
  await output.end(slot);
}

function jsonLine(collector: GenerationCollector, slot: number, job: Job): string {
  const { answers, usage } = collector.result();
  const [answer] = answers;
  invariant(answer !== undefined, "a generation ended without an answer");
  return JSON.stringify({
    index: slot,
    prompt: job.texts[slot],
    text: answer.text,
    token_ids: answer.tokenIds,
    finish_reason: answer.finishReason,
    stop_reason: answer.stopReason,
    usage: { prompt_tokens: usage.numPromptTokens, completion_tokens: usage.numOutputTokens },
  });
}

function toPrompt(text: string, flags: FlagValues, config: TroupeConfig): Prompt {
  const system = flags.text("--system");
  const isChat = flags.has("--chat") || system !== undefined;
  if (config.model.skipTokenizerInit) {
    if (isChat) {
      throw new TroupeError("invalid_request", "--chat needs a tokenizer; leave --skip-tokenizer-init out.");
    }
    return toTokenIds(text);
  }
  if (!isChat) return { kind: "text", text };
  const systemTurn = system === undefined ? [] : [{ role: "system", content: system }];
  return { kind: "chat", messages: [...systemTurn, { role: "user", content: text }] };
}
