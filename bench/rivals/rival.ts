/** A contestant's process, seen from the process that measures. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { siblingModule } from "../../src/core/sibling-module.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import type { Answer, ContestantOptions, Task } from "./contestant.ts";
import { NativeLlama } from "./native-llama.ts";

/** Something that is measured. */
export interface Competitor {
  /** @throws TroupeError `unsupported` when it cannot do that */
  perform(task: Task): Promise<number>;
  /** Lets it release what it holds, or ends it when it does not. */
  end(): Promise<void>;
}

/** Who takes part, and how. */
export interface Entrant {
  /** Null for llama.cpp itself. */
  readonly module: string | null;
  readonly precision: string;
  readonly flashAttention: boolean;
}

const entrant = (module: string | null, precision: string, flashAttention = false): Entrant => ({
  module,
  precision,
  flashAttention,
});

/** By name. */
export const ENTRANTS: Readonly<Record<string, Entrant>> = {
  "troupe-w4": entrant("./troupe", "w4"),
  "troupe-w4g128": entrant("./troupe", "w4g128"),
  "troupe-w8": entrant("./troupe", "w8"),
  "llama-Q4_0": entrant("./node-llama-cpp", "Q4_0"),
  "llama-Q4_0-flash": entrant("./node-llama-cpp", "Q4_0", true),
  "llama-Q8_0": entrant("./node-llama-cpp", "Q8_0"),
  "llama.cpp-Q4_0": entrant(null, "Q4_0"),
  "llama.cpp-Q4_0-flash": entrant(null, "Q4_0", true),
  "llama.cpp-Q8_0": entrant(null, "Q8_0"),
  "transformers-q4": entrant("./transformers-js", "q4"),
  "transformers-q8": entrant("./transformers-js", "q8"),
};

/** Flash attention takes part only when it is named. */
export const USUAL_ENTRANTS: readonly string[] = Object.keys(ENTRANTS).filter(
  (name) => !ENTRANTS[name]!.flashAttention,
);

type SharedOptions = Omit<ContestantOptions, "precision" | "flashAttention">;

/** @throws TroupeError `unsupported` when its packages are not installed */
export async function startCompetitor(entrant: Entrant, shared: SharedOptions): Promise<Competitor> {
  const { module, precision, flashAttention } = entrant;
  const options: ContestantOptions = { ...shared, precision, flashAttention };
  return module === null ? new NativeLlama(options) : await Rival.start(module, options);
}

/** See the module header. */
class Rival implements Competitor {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  static async start(module: string, options: ContestantOptions): Promise<Rival> {
    const path = siblingModule(import.meta.url, module).href;
    const child = fork(
      siblingModule(import.meta.url, "./contestant-process"),
      [path, JSON.stringify(options)],
      {
        stdio: ["ignore", "ignore", "inherit", "ipc"],
      },
    );
    const rival = new Rival(child);
    await rival.#answer();
    return rival;
  }

  async perform(task: Task): Promise<number> {
    this.#process.send(task);
    return await this.#answer();
  }

  async end(): Promise<void> {
    const ended = this.#process.exitCode === null ? once(this.#process, "exit") : undefined;
    await this.perform({ kind: "close" }).catch(() => undefined);
    this.#process.kill("SIGKILL");
    await ended;
  }

  async #answer(): Promise<number> {
    const left = new AbortController();
    const { signal } = left;
    try {
      const answer = await Promise.race([
        once(this.#process, "message", { signal }).then(([message]) => message as Answer),
        once(this.#process, "exit", { signal }).then(([code]) => ({
          error: `its process ended with ${code}`,
        })),
      ]);
      if ("value" in answer) return answer.value;
      throw new TroupeError("unsupported", answer.error);
    } finally {
      left.abort();
    }
  }
}
