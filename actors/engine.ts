/**
 * The cast behind the Engine interface: what the server, the command line and programs in the same process talk to.
 */
import type { TroupeConfig } from "../src/config/config.ts";
import { TroupeError, toTroupeError } from "../src/errors/troupe-error.ts";
import { readPageMap } from "../src/kv/page-map.ts";
import type {
  Engine,
  EngineSnapshot,
  EngineStatus,
  GenerateOptions,
  GenerateRequest,
  GenerationEvent,
  ModelInfo,
} from "../src/protocol/engine.ts";
import type { SystemInspection } from "../src/runtime/actor-events.ts";
import type { ActorSystem } from "../src/runtime/actor-system.ts";
import { readStatus } from "../src/scheduling/status-board.ts";
import { readStepTimes, readStepTotals } from "../src/scheduling/step-times.ts";
import { CAST, ENGINE } from "./cast.ts";
import { isAnswererGone } from "./gone.ts";
import { EDGE, type EngineMemory, isCastActor, KV_STORE, TOKENIZER_POOL } from "./messages.ts";
import { type StartEngineOptions, type StartedCast, startCast } from "./start-cast.ts";
import { startReplicas } from "./start-replicas.ts";

/**
 * Compiles the model if need be, starts every actor, and resolves when the first request can run.
 *
 * @throws TroupeError `invalid_config`, `invalid_model`, `unsupported_model`, `file_error`, `cancelled`,
 * `actor_init_failed`
 * @example
 * ```ts
 * const engine = await startEngine(parseConfig({ model: { path: "models/understudy" } }));
 * const params = createSamplingParams({ temperature: 0, maxTokens: 32 });
 * for await (const event of engine.generate({ prompt: { kind: "text", text: "Once" }, params }))
 *   if (event.kind === "delta") process.stdout.write(event.text);
 * await engine.stop();
 * ```
 */
export async function startEngine(config: TroupeConfig, options: StartEngineOptions = {}): Promise<Engine> {
  if (config.engine.dataParallel > 1) return await startReplicas(config, options, startSingle);
  return await startSingle(config, options);
}

async function startSingle(config: TroupeConfig, options: StartEngineOptions): Promise<Engine> {
  return await CastEngine.attach(await startCast(config, options));
}

/** See the module header; `startEngine` makes it. */
export class CastEngine implements Engine {
  readonly info: ModelInfo;
  readonly #system: ActorSystem;
  readonly #stopCast: () => Promise<void>;
  #memory: EngineMemory;
  #state: EngineStatus["state"] = "ready";
  #numRestarts = 0;
  #failure: TroupeError | null = null;
  #stopped: Promise<void> | null = null;
  readonly #listeners: (() => void)[] = [];

  private constructor({ system, info, stop }: StartedCast, memory: EngineMemory) {
    this.info = info;
    this.#system = system;
    this.#stopCast = stop;
    this.#memory = memory;
    this.#followRestarts();
  }

  static async attach(started: StartedCast): Promise<CastEngine> {
    const memory = await started.system.ask(KV_STORE, "attach", null);
    return new CastEngine(started, memory);
  }

  async *generate(
    request: GenerateRequest,
    options: GenerateOptions = {},
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    if (this.#state === "draining" || this.#state === "stopped")
      throw new TroupeError("not_ready", "The engine is stopping; send the request elsewhere.");
    try {
      yield* this.#system.stream(EDGE, "generate", request, options);
    } catch (error) {
      throw this.#explain(error);
    }
  }

  async tokenize(prompt: Parameters<Engine["tokenize"]>[0]): ReturnType<Engine["tokenize"]> {
    this.#requireTokenizer();
    return await this.#system.ask(TOKENIZER_POOL, "tokenize", prompt);
  }

  async detokenize(ids: readonly number[]): Promise<string> {
    this.#requireTokenizer();
    return await this.#system.ask(TOKENIZER_POOL, "decode", { ids, skipSpecialTokens: false });
  }

  status(): EngineStatus {
    const { numRunning, numWaiting, numPages, numFreePages, ...counters } = readStatus(this.#memory.status);
    const gauges = { numRunning, numWaiting, numPages, numFreePages };
    return { state: this.#state, ...gauges, counters: { ...counters, restarts: this.#numRestarts } };
  }

  inspect(): SystemInspection {
    return this.#system.inspect();
  }

  snapshot(): EngineSnapshot {
    const { stepTimes, pageMap } = this.#memory;
    return {
      pages: readPageMap(pageMap),
      steps: readStepTimes(stepTimes),
      totals: readStepTotals(stepTimes),
    };
  }

  stop(options: { readonly drainMs?: number } = {}): Promise<void> {
    this.#stopped ??= this.#drainAndStop(options.drainMs ?? 0);
    return this.#stopped;
  }

  async #drainAndStop(drainMs: number): Promise<void> {
    const hadFailed = this.#state === "failed";
    this.#state = "draining";
    try {
      if (!hadFailed) await this.#drain(drainMs);
    } finally {
      for (const off of this.#listeners) off();
      await this.#stopCast();
      this.#state = "stopped";
    }
  }

  async #drain(drainMs: number): Promise<void> {
    const signal = AbortSignal.timeout(drainMs);
    try {
      for await (const _numLeft of this.#system.stream(EDGE, "drain", null, { signal }));
    } catch (error) {
      if (signal.aborted) this.#system.tell(EDGE, "cut", null);
      else if (!isAnswererGone(error)) throw error;
    }
  }

  /** The system may have other actors, which are none of the engine's business. */
  #followRestarts(): void {
    const { events } = this.#system;
    const isOurs = (supervisor: string, children: readonly string[]): boolean =>
      supervisor === CAST || supervisor === ENGINE || children.includes(CAST);
    this.#listeners.push(
      events.on("failing", ({ actor }) => {
        if (isCastActor(actor)) this.#recovers();
      }),
      events.on("down", ({ ref, reason }) => {
        if (reason.kind === "crash" && isCastActor(ref.actor)) this.#recovers();
      }),
      events.on("restarted", ({ supervisor, children }) => {
        if (isOurs(supervisor, children)) void this.#recovered();
      }),
      events.on("escalated", ({ supervisor, error }) => {
        if (supervisor === ENGINE) this.#fail(error);
      }),
      events.on("failed", ({ error }) => this.#fail(error)),
    );
  }

  #recovers(): void {
    if (this.#state === "ready") this.#state = "recovering";
  }

  async #recovered(): Promise<void> {
    this.#numRestarts++;
    try {
      // a restarted kv-store has fresh memory
      this.#memory = await this.#system.ask(KV_STORE, "attach", null);
    } catch (error) {
      // it went down again; the next restart, or the end of restarts, decides
      if (!isAnswererGone(error)) throw error;
      return;
    }
    if (this.#state === "recovering") this.#state = "ready";
  }

  #fail(error: TroupeError): void {
    this.#failure = error;
    if (this.#state !== "draining" && this.#state !== "stopped") this.#state = "failed";
  }

  /** Errors of the runtime mean something else to a client: its actor is our engine. */
  #explain(error: unknown): TroupeError {
    const coded = toTroupeError(error);
    if (!isAnswererGone(coded)) return coded;
    const cause = this.#failure ?? coded;
    return new TroupeError("engine_failed", `The engine stopped while this request ran: ${cause.message}`, {
      cause,
    });
  }

  #requireTokenizer(): void {
    if (this.info.hasTokenizer) return;
    throw new TroupeError("unsupported", "This server runs without a tokenizer (--skip-tokenizer-init).");
  }
}
