/** `troupe export`: a model as ONNX graphs, for other programs and for Troupe itself. */
import { basename } from "node:path";
import { TroupeError } from "../errors/troupe-error.ts";
import { PRECISIONS, type Precision } from "../model/compiled-model.ts";
import { byteText } from "./byte-text.ts";
import { EXIT, write } from "./cli-context.ts";
import type { CommandSpec } from "./command-spec.ts";
import { exportFolders } from "./other-systems/export-folders.ts";
import { showProgress } from "./progress-bar.ts";

export const exportCommand: CommandSpec = {
  name: "export",
  summary: "write a model as ONNX graphs that other programs run",
  description:
    "Writes prefill.onnx and decode.onnx over one file of weights, with keys and values as inputs and outputs under\n" +
    "the names of Hugging Face's exports; argmax.onnx and topk.onnx that choose tokens; and the model's other files.\n" +
    "`troupe serve --model FOLDER` serves such a folder too (docs/onnx-models.md).",
  flags: [
    { flags: "-m, --model <folder>", kind: "text", description: "the Hugging Face folder to read" },
    {
      flags: "-o, --output <folder>",
      kind: "text",
      description: "the folder to write; must not exist, or be empty",
    },
    {
      flags: "-p, --precision <name>",
      kind: "text",
      choices: PRECISIONS,
      description: "how weights are stored; default fp32, or what a converted folder is in",
    },
    {
      flags: "--max-model-len <tokens>",
      kind: "number",
      description:
        "longest sequence that will be run, for models whose positions are scaled (default: the model's limit)",
    },
    {
      flags: "--model_dir <folder>",
      kind: "text",
      description: "the same as --model",
      group: "As MindFormers' export.py spells it:",
    },
    {
      flags: "--config_path <file>",
      kind: "text",
      description:
        "YAML file whose load_checkpoint is read, and next to whose infer.prefill_model_path is written",
      group: "As MindFormers' export.py spells it:",
    },
  ],
  examples: [
    { line: "troupe export --model ./llama --output ./llama-onnx", does: "graphs with weights as trained" },
    {
      line: "troupe export --model ./llama --output ./llama-onnx-w4 --precision w4",
      does: "in 4 bits, with ONNX Runtime's own operators",
    },
  ],
  async run(context, flags) {
    const { modelDir, outputDir } = exportFolders(context, flags);
    const precision = (flags.text("--precision") as Precision | undefined) ?? null;
    const maxModelLen = flags.number("--max-model-len") ?? null;
    const abort = new AbortController();
    const endSignals = context.onSignal(() => abort.abort());
    const display = showProgress(context.stderr, `Exporting ${basename(modelDir)}`);
    const { onProgress } = display;
    try {
      const request = { modelDir, outputDir, precision, maxModelLen, onProgress, signal: abort.signal };
      const { folder, weightBytes } = await context.services.exportModel(request);
      display.stop();
      await write(context.stdout, `Written: ${folder} (${byteText(weightBytes)} of weights)\n`);
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
