/** Runs a command's work with an engine: starts it with a progress bar, stops it whatever happens. */
import { basename } from "node:path";
import type { TroupeConfig } from "../config/config.ts";
import type { Engine } from "../protocol/engine.ts";
import type { CliContext } from "./cli-context.ts";
import { showProgress } from "./progress-bar.ts";

/** Starts the engine; compiling, when it is needed, shows on stderr. */
export async function startWithProgress(context: CliContext, config: TroupeConfig): Promise<Engine> {
  const title = `Compiling ${basename(config.model.path)} to ${config.model.precision}`;
  const display = showProgress(context.stderr, title);
  try {
    return await context.services.startEngine(config, display.onProgress);
  } finally {
    display.stop();
  }
}

/** Starts an engine for `work` and stops it afterwards, cutting what still runs. */
export async function withEngine<T>(
  context: CliContext,
  config: TroupeConfig,
  work: (engine: Engine) => Promise<T>,
): Promise<T> {
  const engine = await startWithProgress(context, config);
  try {
    return await work(engine);
  } finally {
    await engine.stop({ drainMs: 0 });
  }
}
