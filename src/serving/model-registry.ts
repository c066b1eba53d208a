/**
 * The models of one server: which engine answers to which name, and how models come and go while it serves. A name is
 * taken from the moment a load begins until its engine has ended; it is found only while the engine takes requests.
 */
import { TroupeError, toTroupeError } from "../errors/troupe-error.ts";
import type { Engine } from "../protocol/engine.ts";

/** A model to be loaded. */
export interface LoadPlan {
  /** Names that requests may use; the first is canonical. */
  readonly names: readonly [string, ...string[]];
  /** Resolves when the engine takes requests; aborting the signal ends the attempt as soon as it can. */
  start(signal: AbortSignal): Promise<Engine>;
}

/** Makes a plan of what a management call says. @throws TroupeError `invalid_request` */
export type PlanLoad = (entry: unknown) => LoadPlan;

/** Where a model stands: being loaded, taking requests, ending those that run, or failed to load. */
export type ModelPhase =
  | { readonly phase: "loading" }
  | { readonly phase: "loaded" | "unloading"; readonly engine: Engine }
  | { readonly phase: "failed"; readonly error: TroupeError };

/** One model and where it stands. */
export type ModelEntry = ModelPhase & { readonly names: readonly [string, ...string[]] };

/** Is told when a model comes or goes. */
export interface ModelListener {
  added(engine: Engine): void;
  removed(engine: Engine): void;
}

/** How a registry is made. */
export interface ModelRegistryOptions {
  /** Those that run already; the first is the default. They are the registry's from now on. */
  readonly engines: readonly [Engine, ...Engine[]];
  /** Absent: nothing can be loaded. */
  readonly plan?: PlanLoad;
  /** How long requests of a model that is unloaded may go on, where the caller does not say. Default 30 000. */
  readonly drainMs?: number;
}

const DEFAULT_DRAIN_MS = 30_000;

/**
 * See the module header.
 *
 * @example
 * ```ts
 * const models = new ModelRegistry({ engines: [await startEngine(first), await startEngine(second)] });
 * const server = createServer({ engine: models, config, logger, version, clock });
 * ```
 */
export class ModelRegistry {
  /** By canonical name, in the order they came; the first that is loaded is the default. */
  readonly #entries = new Map<string, ModelEntry>();
  readonly #plan: PlanLoad | null;
  readonly #drainMs: number;
  readonly #listeners: ModelListener[] = [];
  readonly #stop = new AbortController();
  readonly #loads = new Set<Promise<unknown>>();

  constructor({ engines, plan, drainMs }: ModelRegistryOptions) {
    this.#plan = plan ?? null;
    this.#drainMs = drainMs ?? DEFAULT_DRAIN_MS;
    for (const engine of engines) {
      const { names } = engine.info;
      this.#checkFree(names);
      this.#put({ phase: "loaded", engine, names: nonEmpty(names) });
    }
  }

  /** What answers requests that name no model. */
  get default(): Engine {
    return this.engines[0];
  }

  /** All that take requests, the default first. */
  get engines(): readonly [Engine, ...Engine[]] {
    const loaded = [...this.#entries.values()].flatMap((entry) =>
      entry.phase === "loaded" ? [entry.engine] : [],
    );
    return loaded as unknown as [Engine, ...Engine[]]; // the last one cannot be unloaded
  }

  /** All names that requests may use. */
  get names(): readonly string[] {
    return this.engines.flatMap(({ info }) => info.names);
  }

  /** Everything that is or was to be served. */
  get entries(): readonly ModelEntry[] {
    return [...this.#entries.values()];
  }

  /** Whoever answers to a name; null when nobody takes requests under it. */
  find(name: string): Engine | null {
    return this.engines.find(({ info }) => info.names.includes(name)) ?? null;
  }

  /** Is told of every change from now on. */
  follow(listener: ModelListener): void {
    this.#listeners.push(listener);
  }

  /**
   * Starts another engine beside those that serve. When it fails its entry says why, until it is loaded again or unloaded.
   *
   * @param entry as `PlanLoad` reads it
   * @throws TroupeError `invalid_request` for what is no plan or a name that is taken; else why the engine did not start
   */
  async load(entry: unknown): Promise<ModelEntry> {
    if (this.#plan === null)
      throw new TroupeError("unsupported", "This server was started without the means to load models.");
    const plan = this.#plan(entry);
    this.#checkRunning();
    this.#checkFree(plan.names);
    const { names } = plan;
    this.#put({ phase: "loading", names });
    const work = this.#start(plan);
    this.#loads.add(work);
    try {
      return await work;
    } finally {
      this.#loads.delete(work);
    }
  }

  /**
   * Takes a model away: no new requests find it, those that run may end until `drainMs` have passed, then its engine is
   * stopped. The others do not notice.
   *
   * @param name any of its names
   * @throws TroupeError `model_not_found`; `invalid_request` while it is loaded or unloaded, or for the last one
   */
  async unload(name: string, drainMs = this.#drainMs): Promise<ModelEntry> {
    const entry = this.#entryOf(name);
    const [key] = entry.names;
    if (entry.phase === "failed") {
      this.#entries.delete(key);
      return entry;
    }
    if (entry.phase !== "loaded")
      throw refused(`The model ${key} is ${entry.phase} now; wait until that is over.`);
    if (this.engines.length === 1)
      throw refused(`${key} is the only model of this server: load another one first, or stop the server.`);
    const { engine } = entry;
    this.#put({ ...entry, phase: "unloading" });
    try {
      await engine.stop({ drainMs });
    } finally {
      this.#entries.delete(key);
      for (const listener of this.#listeners) listener.removed(engine);
    }
    return entry;
  }

  /** Stops everything; what is being loaded is given up. */
  async stop(options: { readonly drainMs: number }): Promise<void> {
    this.#stop.abort(new TroupeError("cancelled", "The server stops."));
    const engines = this.entries.flatMap((entry) => ("engine" in entry ? [entry.engine] : []));
    const ended = await Promise.allSettled(engines.map((engine) => engine.stop(options)));
    await Promise.allSettled(this.#loads);
    for (const end of ended) if (end.status === "rejected") throw end.reason;
  }

  async #start(plan: LoadPlan): Promise<ModelEntry> {
    const { names } = plan;
    try {
      const engine = await plan.start(this.#stop.signal);
      if (this.#stop.signal.aborted) {
        await engine.stop({ drainMs: 0 });
        throw this.#stop.signal.reason;
      }
      const entry: ModelEntry = { phase: "loaded", engine, names };
      this.#put(entry);
      for (const listener of this.#listeners) listener.added(engine);
      return entry;
    } catch (thrown) {
      const error = toTroupeError(thrown);
      this.#put({ phase: "failed", error, names });
      throw error;
    }
  }

  #put(entry: ModelEntry): void {
    this.#entries.set(entry.names[0], entry);
  }

  #entryOf(name: string): ModelEntry {
    const entry = this.entries.find(({ names }) => names.includes(name));
    if (entry !== undefined) return entry;
    const known = this.entries.map(({ names }) => names[0]).join(", ");
    throw new TroupeError(
      "model_not_found",
      `There is no model ${JSON.stringify(name)} here, only: ${known}.`,
    );
  }

  #checkRunning(): void {
    if (this.#stop.signal.aborted)
      throw new TroupeError("not_ready", "The server is stopping and loads nothing.");
  }

  /** What failed to load gives its names up. */
  #checkFree(names: readonly string[]): void {
    for (const name of names) {
      const other = this.entries.find((entry) => entry.names.includes(name));
      if (other?.phase === "failed") this.#entries.delete(other.names[0]);
      else if (other !== undefined)
        throw refused(
          `A model of the name ${name} is ${other.phase} here; unload it first, or choose another name.`,
        );
    }
  }
}

function nonEmpty(names: readonly string[]): readonly [string, ...string[]] {
  return names as [string, ...string[]];
}

function refused(message: string): TroupeError {
  return new TroupeError("invalid_request", message, { details: { param: "name" } });
}
