/**
 * The messages of `GET /stage`: what the cast, the pages and the last steps look like, as differences to what the same
 * viewer got before. Knows the engine's figures and JSON, not how they travel. See docs/playground.md.
 */
import type { Engine, EngineStatus } from "./engine.ts";

/** One frame. The first of a viewer holds everything, each later one what is new. */
export interface StageFrame {
  /** Milliseconds on the server's clock; differences make rates. */
  readonly at_ms: number;
  readonly state: EngineStatus["state"];
  readonly num_running: number;
  readonly num_waiting: number;
  readonly num_free_pages: number;
  readonly counters: Readonly<Record<string, number>>;
  readonly actors: readonly StageActor[];
  readonly num_pages: number;
  /** Runs of pages that changed: [first page, number of pages, index into PAGE_STATES]. */
  readonly pages: readonly (readonly [number, number, number])[];
  /** New steps: [number, total ms, execute ms, sample ms, tokens]. */
  readonly steps: readonly (readonly [number, number, number, number, number])[];
}

/** One actor of a frame. */
export interface StageActor {
  readonly name: string;
  readonly host: string;
  readonly state: string;
  readonly num_messages: number;
  readonly max_messages: number;
  readonly num_handled: number;
  readonly num_restarts: number;
  readonly incarnation: number;
  readonly busy_ms: number;
}

const MICROSECONDS = 1000;

/** What one viewer has been told. Make one for each. */
export class StageTeller {
  #pages: Uint8Array = new Uint8Array(0);
  /** By engine. */
  #lastSteps: ReadonlyMap<number, number> = new Map();
  #lastFigures = "";

  /** @returns null when nothing is new */
  next(engine: Pick<Engine, "status" | "inspect" | "snapshot">, atMs: number): StageFrame | null {
    const { pages, steps } = engine.snapshot();
    const isFirst = this.#pages.length !== pages.length;
    const changes = changedRuns(isFirst ? null : this.#pages, pages);
    const lastSteps = new Map(steps.map(({ engine: index, step }) => [index, step]));
    const newSteps = steps.filter(({ engine: index, step }) => {
      const known = this.#lastSteps.get(index) ?? 0;
      // a restarted kv-store begins to count anew
      return step > known || lastSteps.get(index)! < known;
    });
    const figures = { ...statusFigures(engine.status()), actors: actorFigures(engine) };
    const spelled = JSON.stringify(figures);
    if (!isFirst && changes.length === 0 && newSteps.length === 0 && spelled === this.#lastFigures)
      return null;
    this.#pages = pages;
    this.#lastSteps = lastSteps;
    this.#lastFigures = spelled;
    return {
      at_ms: round(atMs),
      ...figures,
      num_pages: pages.length,
      pages: changes,
      steps: newSteps.map(({ step, totalMs, executeMs, sampleMs, numTokens }) => [
        step,
        round(totalMs),
        round(executeMs),
        round(sampleMs),
        numTokens,
      ]),
    };
  }
}

function statusFigures({ state, numRunning, numWaiting, numFreePages, counters }: EngineStatus) {
  const { promptTokens, generationTokens, prefixCacheQueries, prefixCacheHits, preemptions, restarts } =
    counters;
  return {
    state,
    num_running: numRunning,
    num_waiting: numWaiting,
    num_free_pages: numFreePages,
    counters: {
      prompt_tokens: promptTokens,
      generation_tokens: generationTokens,
      prefix_cache_queries: prefixCacheQueries,
      prefix_cache_hits: prefixCacheHits,
      preemptions,
      restarts,
    },
  };
}

function actorFigures(engine: Pick<Engine, "inspect">): StageActor[] {
  return engine.inspect().actors.map((actor) => ({
    name: actor.name,
    host: actor.host,
    state: actor.state,
    num_messages: actor.mailbox.numMessages,
    max_messages: actor.mailbox.maxMessages,
    num_handled: actor.numHandled,
    num_restarts: actor.numRestarts,
    incarnation: actor.incarnation,
    busy_ms: round(actor.busyMs),
  }));
}

/** Runs of equal pages in `after` that hold a change against `before`; all of them without a `before`. */
function changedRuns(before: Uint8Array | null, after: Uint8Array): [number, number, number][] {
  const runs: [number, number, number][] = [];
  let run: [number, number, number] | null = null;
  for (let page = 0; page < after.length; page++) {
    const state = after[page]!;
    if (before !== null && before[page] === state) {
      run = null;
    } else if (run !== null && run[2] === state) {
      run[1]++;
    } else {
      run = [page, 1, state];
      runs.push(run);
    }
  }
  return runs;
}

function round(ms: number): number {
  return Math.round(ms * MICROSECONDS) / MICROSECONDS;
}
