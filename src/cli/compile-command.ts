/** `troupe compile`: makes the compiled form of a model ahead of its first start. */
import { byteText } from "./byte-text.ts";
import type { CommandSpec } from "./command-spec.ts";
import { compileFlags, configFromFlags } from "./config-flags.ts";
import { compileTitle } from "./engine-session.ts";
import { runLongWork } from "./long-work.ts";
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
    const { path: modelDir, precision, cacheDir } = model;
    return await runLongWork(context, {
      title: compileTitle(model),
      async run(how) {
        const compiled: CompiledFolder[] = [];
        for (let rank = 0; rank < size; rank++) {
          const place = size > 1 ? { place: { rank, size } } : {};
          compiled.push(await context.services.compile({ modelDir, precision, cacheDir, ...how, ...place }));
        }
        return compiled;
      },
      report: (compiled) => compiled.map(describe).join(""),
    });
  },
};

function describe({ folder, weightBytes, wasCompiled }: CompiledFolder): string {
  return `${wasCompiled ? "Compiled" : "Already compiled"}: ${folder} (${byteText(weightBytes)})\n`;
}
