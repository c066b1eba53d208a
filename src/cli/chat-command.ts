/** `troupe chat`: a conversation in the terminal. */
import { createInterface, type Interface } from "node:readline";
import { TroupeError } from "../errors/troupe-error.ts";
import type { ChatMessage, Engine } from "../protocol/engine.ts";
import type { SamplingParams } from "../sampling/sampling-params.ts";
import { type CliContext, EXIT, write } from "./cli-context.ts";
import type { CommandSpec } from "./command-spec.ts";
import { configFromFlags, engineFlags } from "./config-flags.ts";
import { withEngine } from "./engine-session.ts";
import { samplingFlags, samplingFromFlags } from "./sampling-flags.ts";

const HELP = "/reset forgets the conversation, /exit leaves, /help shows this; Ctrl-C stops an answer.";

export const chatCommand: CommandSpec = {
  name: "chat",
  summary: "talk to a model in the terminal",
  description: `A conversation with a model in this process, without a server.\n${HELP}`,
  flags: [
    {
      flags: "--system <text>",
      kind: "text",
      description: "system message at the start of the conversation",
    },
    ...samplingFlags,
    ...engineFlags,
  ],
  examples: [
    { line: "troupe chat", does: "talk to the embedded model" },
    {
      line: 'troupe chat --model ~/models/qwen --system "Answer in one sentence."',
      does: "talk to another one",
    },
  ],
  async run(context, flags) {
    const config = configFromFlags(context, flags, { defaults: { log: { level: "warn" } } });
    return await withEngine(context, config, async (engine) => {
      const { info } = engine;
      if (!info.hasChatTemplate) {
        throw new TroupeError("unsupported", `${info.names[0]} has no chat template; use troupe generate.`);
      }
      const params = samplingFromFlags(flags, info, null);
      if (context.stdin.isTTY) await write(context.stdout, `${info.names[0]}: ${HELP}\n`);
      const chat = new Chat(context, engine, params, flags.text("--system"));
      return await chat.run();
    });
  },
};

class Chat {
  readonly #context: CliContext;
  readonly #engine: Engine;
  readonly #params: SamplingParams;
  readonly #opening: readonly ChatMessage[];
  #messages: ChatMessage[];
  #answer: AbortController | undefined;
  #isOver = false;

  constructor(context: CliContext, engine: Engine, params: SamplingParams, system: string | undefined) {
    this.#context = context;
    this.#engine = engine;
    this.#params = params;
    this.#opening = system === undefined ? [] : [{ role: "system", content: system }];
    this.#messages = [...this.#opening];
  }

  /** Reads lines until /exit, the end of input, or Ctrl-C with no answer under way. */
  async run(): Promise<number> {
    const { stdin, stdout } = this.#context;
    const isTerminal = stdin.isTTY === true;
    const lines = createInterface({
      input: stdin,
      output: stdout,
      terminal: isTerminal,
      prompt: isTerminal ? "> " : "",
    });
    const interrupt = (): void => this.#interrupt(lines);
    const endSignals = this.#context.onSignal(interrupt);
    // At the end of input that is no terminal, lines are still to be read after the interface has closed.
    let isOpen = true;
    lines.on("SIGINT", interrupt).on("close", () => {
      isOpen = false;
    });
    try {
      lines.prompt();
      for await (const line of lines) {
        await this.#handle(line.trim());
        if (this.#isOver) break;
        if (isOpen) lines.prompt();
      }
    } finally {
      endSignals();
      lines.close();
    }
    if (isTerminal) await write(stdout, "\n");
    return EXIT.ok;
  }

  #interrupt(lines: Interface): void {
    if (this.#answer !== undefined) {
      this.#answer.abort();
      return;
    }
    this.#isOver = true;
    lines.close();
  }

  async #handle(line: string): Promise<void> {
    if (line === "") return;
    if (line === "/exit" || line === "/quit") this.#isOver = true;
    else if (line === "/reset") {
      this.#messages = [...this.#opening];
      await this.#say("The conversation starts afresh.\n");
    } else if (line.startsWith("/")) {
      await this.#say(
        line === "/help" ? `${HELP}\n` : `There is no command ${line.split(" ", 1)[0]}. ${HELP}\n`,
      );
    } else await this.#answerTo(line);
  }

  /** A stopped answer stays in the conversation as far as it came; a failed one leaves no trace. */
  async #answerTo(text: string): Promise<void> {
    const messages: ChatMessage[] = [...this.#messages, { role: "user", content: text }];
    const abort = new AbortController();
    this.#answer = abort;
    let answer = "";
    try {
      const request = { prompt: { kind: "chat" as const, messages }, params: this.#params };
      for await (const event of this.#engine.generate(request, { signal: abort.signal })) {
        if (event.kind !== "delta") continue;
        answer += event.text;
        await this.#say(event.text);
      }
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      if (error.code !== "cancelled" && !abort.signal.aborted) {
        await this.#say(`${answer === "" ? "" : "\n"}${error.message}\n`);
        return;
      }
    } finally {
      this.#answer = undefined;
    }
    await this.#say(abort.signal.aborted ? " [stopped]\n" : "\n");
    this.#messages = [...messages, { role: "assistant", content: answer }];
  }

  async #say(text: string): Promise<void> {
    await write(this.#context.stdout, text);
  }
}
