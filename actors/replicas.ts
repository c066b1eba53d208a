/**
 * Several engines with the same model as one (data parallel): each request goes to the engine that probably has its
 * prompt's prefix, or to the least loaded one. An engine that refuses a request before its first event is passed over.
 */
import { TroupeError, toTroupeError } from "../src/errors/troupe-error.ts";
import type {
  Engine,
  EngineCounters,
  EngineSnapshot,
  EngineStatus,
  GenerateOptions,
  GenerateRequest,
  GenerationEvent,
  ModelInfo,
} from "../src/protocol/engine.ts";
import { PrefixRouter } from "../src/requests/prefix-router.ts";
import { promptPieces } from "../src/requests/prompt-pieces.ts";
import type { SystemInspection } from "../src/runtime/actor-events.ts";
import { addStepTotals } from "../src/scheduling/step-times.ts";

/** In which order one state of many engines speaks for all: an engine that is ready makes the whole ready. */
const STATES = ["draining", "ready", "recovering", "starting", "stopped", "failed"] as const;

/**
 * @example
 * ```ts
 * const engine = new Replicas([await startEngine(config), await startEngine(config)]);
 * ```
 */
export class Replicas implements Engine {
  readonly #engines: readonly Engine[];
  readonly #router = new PrefixRouter();
  /** Requests that each engine has. */
  readonly #loads: number[];

  /** @param engines at least one */
  constructor(engines: readonly Engine[]) {
    this.#engines = engines;
    this.#loads = engines.map(() => 0);
  }

  get info(): ModelInfo {
    const { info } = this.#engines[0]!;
    return { ...info, maxNumSeqs: info.maxNumSeqs * this.#engines.length };
  }

  async *generate(
    request: GenerateRequest,
    options: GenerateOptions = {},
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    const pieces = promptPieces(request.prompt);
    const candidates = this.#router.rank(pieces, this.#candidates());
    for (const [position, { index }] of candidates.entries()) {
      let hasBegun = false;
      this.#router.sent(pieces, index);
      this.#loads[index]!++;
      try {
        for await (const event of this.#engines[index]!.generate(request, options)) {
          hasBegun = true;
          yield event;
        }
        return;
      } catch (error) {
        const isLast = position === candidates.length - 1;
        if (hasBegun || isLast || !toTroupeError(error).retryable) throw error;
      } finally {
        this.#loads[index]!--;
      }
    }
  }

  tokenize(prompt: Parameters<Engine["tokenize"]>[0]): ReturnType<Engine["tokenize"]> {
    return this.#leastLoaded().tokenize(prompt);
  }

  detokenize(ids: readonly number[]): Promise<string> {
    return this.#leastLoaded().detokenize(ids);
  }

  status(): EngineStatus {
    const all = this.#engines.map((engine) => engine.status());
    const sum = (read: (status: EngineStatus) => number): number =>
      all.reduce((total, status) => total + read(status), 0);
    const totals = Object.keys(all[0]!.counters).map((key) => [
      key,
      sum(({ counters }) => counters[key as keyof EngineCounters]),
    ]);
    return {
      state: STATES.find((state) => all.some((status) => status.state === state)) ?? "failed",
      numRunning: sum(({ numRunning }) => numRunning),
      numWaiting: sum(({ numWaiting }) => numWaiting),
      numPages: sum(({ numPages }) => numPages),
      numFreePages: sum(({ numFreePages }) => numFreePages),
      counters: Object.fromEntries(totals) as unknown as EngineCounters,
    };
  }

  /** Actors of engine K are named engine-K/...; the state is that of the first engine's system. */
  inspect(): SystemInspection {
    const all = this.#engines.map((engine) => engine.inspect());
    const reasons = Object.keys(all[0]!.numDeadLetters) as (keyof SystemInspection["numDeadLetters"])[];
    const numDeadLetters = Object.fromEntries(
      reasons.map((reason) => [reason, all.reduce((sum, each) => sum + each.numDeadLetters[reason], 0)]),
    ) as SystemInspection["numDeadLetters"];
    return {
      state: all[0]!.state,
      actors: all.flatMap(({ actors }, index) =>
        actors.map((actor) => ({ ...actor, name: `${replicaName(index)}/${actor.name}` })),
      ),
      numDeadLetters,
      numPendingCalls: all.reduce((sum, each) => sum + each.numPendingCalls, 0),
    };
  }

  /** Pages of all engines, one engine's after the other's; steps as each engine counts its own. */
  snapshot(): EngineSnapshot {
    const all = this.#engines.map((engine) => engine.snapshot());
    return {
      pages: Uint8Array.from(all.flatMap(({ pages }) => [...pages])),
      steps: all.flatMap(({ steps }, engine) => steps.map((step) => ({ ...step, engine }))),
      totals: addStepTotals(all.map(({ totals }) => totals)),
    };
  }

  async stop(options?: { readonly drainMs?: number }): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.stop(options)));
  }

  #candidates(): { readonly index: number; readonly load: number }[] {
    const all = this.#loads.map((load, index) => ({
      index,
      load,
      state: this.#engines[index]!.status().state,
    }));
    const alive = all.filter(({ state }) => state !== "failed" && state !== "stopped");
    const ready = alive.filter(({ state }) => state === "ready");
    // A request to none gets the reason from one.
    return [ready, alive, all].find((engines) => engines.length > 0) ?? [];
  }

  #leastLoaded(): Engine {
    const [best] = this.#candidates().sort((a, b) => a.load - b.load);
    if (best === undefined) throw new TroupeError("not_ready", "There is no engine.");
    return this.#engines[best.index]!;
  }
}

/** What engine `index` is called in logs and metrics. */
export function replicaName(index: number): string {
  return `engine-${index}`;
}
