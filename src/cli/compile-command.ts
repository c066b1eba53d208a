/** `troupe compile`: makes the compiled form of a model ahead of its first start. */
import { TroupeError } from "../errors/troupe-error.ts";
import { byteText } from "./byte-text.ts";
import { EXIT, write } from "./cli-context.ts";
import type { CommandSpec } from "./command-spec.ts";
import { compileFlags, configFromFlags } from "./config-flags.ts";
import { compileTitle } from "./engine-session.ts";
import { showProgress } from "./progress-bar.ts";
import type { CompiledFolder } from "./services.ts";

export const compileCommand: CommandSpec = {
  name: "compile",
  summary: "compile a model into the cache ahead of time",
  description:
    "Compiles a Hugging Face folder to ONNX in one precision. `serve`, `generate` and `chat` do this by themselves\n" +
    "at the first start; doing it ahead makes that start quick. Stopping half-way leaves nothing behind.",
  flags: compileFlags,
  examples: [
    { line: "troupe compile --model ~/models/llama --precision w8", does: "compile to 8-bit weights" },
    {
      line: "troupe compile --model ./llama --precision w4 --cache-dir ./compiled",
      does: "into a folder of your choice",
    },
    { line: "troupe compile --model ./llama --tp 2", does: "what each of two ranks computes" },
  ],
  async run(context, flags) {
    const { model, engine } = configFromFlags(context, flags);
    const size = engine.tensorParallel ?? 1;
    const abort = new AbortController();
    const endSignals = context.onSignal(() => abort.abort());
    const display = showProgress(context.stderr, compileTitle(model));
    try {
      const { path: modelDir, precision, cacheDir } = model;
      const request = { modelDir, precision, cacheDir, onProgress: display.onProgress, signal: abort.signal };
      const compiled: CompiledFolder[] = [];
      for (let rank = 0; rank < size; rank++) {
        const place = size > 1 ? { place: { rank, size } } : {};
        compiled.push(await context.services.compile({ ...request, ...place }));
      }
      display.stop();
      for (const { folder, weightBytes, wasCompiled } of compiled) {
        const verb = wasCompiled ? "Compiled" : "Already compiled";
        await write(context.stdout, `${verb}: ${folder} (${byteText(weightBytes)})\n`);
      }
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
