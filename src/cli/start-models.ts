/** Starts every model of a configuration, and knows how to start those that a management call asks for. */
import { join } from "node:path";
import type { TroupeConfig } from "../config/config.ts";
import { modelConfig, modelConfigs, servedNamesOf } from "../config/model-entries.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { Engine } from "../protocol/engine.ts";
import { type LoadPlan, ModelRegistry } from "../serving/model-registry.ts";
import type { CliContext } from "./cli-context.ts";
import { startWithProgress } from "./engine-session.ts";

/**
 * One after the other, each with its progress bar.
 *
 * @throws TroupeError of the first that does not start; those that run are stopped again
 */
export async function startModels(context: CliContext, config: TroupeConfig): Promise<ModelRegistry> {
  const [first, ...others] = modelConfigs(config);
  const engines: [Engine, ...Engine[]] = [await startOne(context, first, others.length > 0)];
  try {
    for (const other of others) engines.push(await startOne(context, other, true));
  } catch (error) {
    await Promise.allSettled(engines.map((engine) => engine.stop({ drainMs: 0 })));
    throw error;
  }
  const plan = (entry: unknown): LoadPlan => planLoad(context, config, entry);
  return new ModelRegistry({ engines, plan, drainMs: config.shutdown.drainMs });
}

function startOne(context: CliContext, config: TroupeConfig, isOneOfSeveral: boolean): Promise<Engine> {
  if (!isOneOfSeveral) return startWithProgress(context, config);
  const [model] = servedNamesOf(config.model);
  return startWithProgress(context, withOwnRankLogs(config, model), { model });
}

function planLoad(context: CliContext, base: TroupeConfig, entry: unknown): LoadPlan {
  const config = modelConfig(base, entry, { what: "body", code: "invalid_request", folder: context.cwd });
  if (config.graphs.inputModule !== null)
    throw new TroupeError(
      "invalid_request",
      "body: graphs.inputModule is code that runs on the server, and comes from its configuration alone; leave it out.",
      { details: { path: "graphs.inputModule" } },
    );
  const names = servedNamesOf(config.model);
  const [model] = names;
  return {
    names,
    start: (signal) =>
      context.services.startEngine(withOwnRankLogs(config, model), () => undefined, { signal, model }),
  };
}

/** The ranks of several models are numbered from 0 each. */
function withOwnRankLogs(config: TroupeConfig, model: string): TroupeConfig {
  const { rankDir } = config.log;
  if (rankDir === null) return config;
  const folder = model.replaceAll(/[^\w.-]+/g, "_").replace(/^\.+/, "_");
  return { ...config, log: { ...config.log, rankDir: join(rankDir, folder) } };
}
