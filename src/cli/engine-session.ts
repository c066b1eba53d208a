/** Runs a command's work with an engine: starts it with a progress bar, stops it whatever happens. */
import { basename } from "node:path";
import type { ModelConfig, TroupeConfig } from "../config/config.ts";
import type { Engine } from "../protocol/engine.ts";
import type { CliContext } from "./cli-context.ts";
import { showProgress } from "./progress-bar.ts";
import type { EngineOptions } from "./services.ts";

/** What a bar of compiling a model says. */
export function compileTitle({ path, precision }: ModelConfig): string {
  return `Compiling ${basename(path)}${precision === null ? "" : ` to ${precision}`}`;
}

/** Starts the engine; compiling, when it is needed, shows on stderr. */
export async function startWithProgress(
  context: CliContext,
  config: TroupeConfig,
  options: EngineOptions = {},
): Promise<Engine> {
  const display = showProgress(context.stderr, compileTitle(config.model));
  try {
    return await context.services.startEngine(config, display.onProgress, options);
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
