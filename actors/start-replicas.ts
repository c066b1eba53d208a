/** Starts as many engines as engine.dataParallel says, each with its own devices, and puts them together as one. */
import type { TroupeConfig } from "../src/config/config.ts";
import { TroupeError } from "../src/errors/troupe-error.ts";
import type { Engine } from "../src/protocol/engine.ts";
import { Replicas, replicaName } from "./replicas.ts";
import type { StartEngineOptions } from "./start-cast.ts";

/**
 * One after the other: the first compiles the model for all.
 *
 * @param startOne starts a single engine
 * @throws TroupeError as `startOne`; engines that had started are stopped again
 */
export async function startReplicas(
  config: TroupeConfig,
  options: StartEngineOptions,
  startOne: (config: TroupeConfig, options: StartEngineOptions) => Promise<Engine>,
): Promise<Engine> {
  if (options.system !== undefined) {
    throw new TroupeError(
      "invalid_config",
      "engine.dataParallel starts an actor system for each engine; leave out `system`, or set it to 1.",
    );
  }
  const { dataParallel, devices } = config.engine;
  const engines: Engine[] = [];
  try {
    for (let index = 0; index < dataParallel; index++) {
      const numOwn = devices.length / dataParallel;
      const own = devices.slice(index * numOwn, (index + 1) * numOwn);
      const engine = { ...config.engine, devices: own };
      engines.push(await startOne({ ...config, engine }, { ...options, ...namedLog(options, index) }));
    }
  } catch (error) {
    await Promise.all(engines.map((engine) => engine.stop()));
    throw error;
  }
  return new Replicas(engines);
}

function namedLog({ log }: StartEngineOptions, index: number): Pick<StartEngineOptions, "log"> {
  if (log === undefined) return {};
  return { log: (record) => log({ ...record, actor: `${replicaName(index)}/${record.actor}` }) };
}
