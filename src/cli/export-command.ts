/** `troupe export`: a model as ONNX graphs, for other programs and for Troupe itself. */
import { basename } from "node:path";
import { PRECISIONS, type Precision } from "../model/compiled-model.ts";
import { byteText } from "./byte-text.ts";
import type { CommandSpec } from "./command-spec.ts";
import { runLongWork } from "./long-work.ts";
import { exportFolders } from "./other-systems/export-folders.ts";

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
    return await runLongWork(context, {
      title: `Exporting ${basename(modelDir)}`,
      run: (how) => context.services.exportModel({ modelDir, outputDir, precision, maxModelLen, ...how }),
      report: ({ folder, weightBytes }) => `Written: ${folder} (${byteText(weightBytes)} of weights)\n`,
    });
  },
};
