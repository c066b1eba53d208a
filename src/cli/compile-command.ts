/** `troupe compile`: makes the compiled form of a model ahead of its first start. */
import { TroupeError } from "../errors/troupe-error.ts";
import { byteText } from "./byte-text.ts";
import { EXIT, write } from "./cli-context.ts";
import type { CommandSpec } from "./command-spec.ts";
import { configFromFlags, modelFlags } from "./config-flags.ts";
import { compileTitle } from "./engine-session.ts";
import { showProgress } from "./progress-bar.ts";

export const compileCommand: CommandSpec = {
  name: "compile",
  summary: "compile a model into the cache ahead of time",
  description:
    "Compiles a Hugging Face folder to ONNX in one precision. `serve`, `generate` and `chat` do this by themselves\n" +
    "at the first start; doing it ahead makes that start quick. Stopping half-way leaves nothing behind.",
  flags: modelFlags,
  examples: [
    { line: "troupe compile --model ~/models/llama --precision w8", does: "compile to 8-bit weights" },
    {
      line: "troupe compile --model ./llama --precision w4 --cache-dir ./compiled",
      does: "into a folder of your choice",
    },
  ],
  async run(context, flags) {
    const { model } = configFromFlags(context, flags);
    const abort = new AbortController();
    const endSignals = context.onSignal(() => abort.abort());
    const display = showProgress(context.stderr, compileTitle(model));
    try {
      const { path: modelDir, precision, cacheDir } = model;
      const { onProgress } = display;
      const compiled = await context.services.compile({
        modelDir,
        precision,
        cacheDir,
        onProgress,
        signal: abort.signal,
      });
      display.stop();
      const verb = compiled.wasCompiled ? "Compiled" : "Already compiled";
      await write(context.stdout, `${verb}: ${compiled.folder} (${byteText(compiled.weightBytes)})\n`);
      return EXIT.ok;
    } catch (error) {
      if (abort.signal.aborted && error instanceof TroupeError && error.code === "cancelled")
        return EXIT.interrupted;
      throw error;
    } finally {
      display.stop();
      endSignals();
    }
  },
};
