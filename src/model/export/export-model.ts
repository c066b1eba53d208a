/** Writes a model as graphs that any program with ONNX Runtime can run, and Troupe itself as they are. */
import { readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { Architecture } from "../architectures/architecture.ts";
import { describeModel } from "../architectures/registry.ts";
import { createTemporaryFolder } from "../compile/cache-folder.ts";
import { choosePrecision } from "../compile/choose-precision.ts";
import { createProgress, type OnProgress } from "../compile/progress.ts";
import { Segment } from "../compile/segment.ts";
import { writeSegments } from "../compile/write-segments.ts";
import type { Precision } from "../compiled-model.ts";
import { companionsOf, copyFiles } from "../convert/weights-source.ts";
import type { DecoderDescription } from "../decoder-description.ts";
import { readModelFolder } from "../model-folder.ts";
import { LINEAR_FORMS } from "../precisions/linear-forms.ts";
import { WeightStore } from "../safetensors/weight-store.ts";
import { argmaxGraph, topkGraph } from "./post-sampling.ts";
import { buildWholeDecoder } from "./whole-decoder.ts";

/** What to export and where to. */
export interface ExportOptions {
  /** A Hugging Face folder, or one that was converted from it. */
  readonly modelDir: string;
  /** Made; must not exist, or be empty. */
  readonly outputDir: string;
  /** Null takes the precision of a folder that is quantised, and fp32 for others. */
  readonly precision: Precision | null;
  /** The longest sequence that will be run, which scaled ropes fit their angles to; null is the model's own limit. */
  readonly maxModelLen: number | null;
  readonly architectures?: readonly Architecture[];
  readonly onProgress?: OnProgress;
  /** Stops the work; nothing of it remains. */
  readonly signal?: AbortSignal;
}

/** What was written. */
export interface ExportResult {
  readonly dir: string;
  readonly weightBytes: number;
}

/** The weights of both graphs. */
const WEIGHTS_FILE = "model.onnx.data";

/**
 * Writes prefill.onnx and decode.onnx over one file of weights, argmax.onnx and topk.onnx, and every file that belongs to
 * the model beside its weights.
 *
 * @throws TroupeError `invalid_model`, `unsupported_model`, `unsupported`; `file_error` when the output is there already or
 * cannot be written; `cancelled`
 * @example
 * ```ts
 * await exportModel({ modelDir: "models/understudy", outputDir: "understudy-onnx", precision: null, maxModelLen: null });
 * ```
 */
export async function exportModel(options: ExportOptions): Promise<ExportResult> {
  const { modelDir, outputDir, onProgress, signal } = options;
  const folder = await readModelFolder(modelDir);
  const decoder = describeModel(folder, options.architectures);
  const precision = await choosePrecision(options);
  await checkFree(outputDir);
  await using store = await WeightStore.open(modelDir);
  const maxPositions = checkedLength(options.maxModelLen, decoder);
  const form = LINEAR_FORMS[precision];
  const prefill = new Segment("prefill", form, store, { weightsFile: WEIGHTS_FILE });
  buildWholeDecoder(prefill, decoder, { maxPositions });
  // The same blocks in the same order: every weight has the same place in the file.
  const decode = new Segment("decode", form, store, { weightsFile: WEIGHTS_FILE });
  buildWholeDecoder(decode, decoder, { maxPositions, tokens: 1 });
  try {
    const temporary = await createTemporaryFolder(dirname(outputDir));
    try {
      const progress = createProgress(onProgress, signal);
      await writeSegments([prefill], { store, folder: temporary, progress });
      const graphs = {
        [decode.graphFile]: decode.graph.build(),
        "argmax.onnx": argmaxGraph(decoder.vocabSize),
        "topk.onnx": topkGraph(decoder.vocabSize),
      };
      for (const [name, bytes] of Object.entries(graphs)) await writeFile(join(temporary.path, name), bytes);
      await copyFiles(modelDir, temporary.path, await companionsOf(modelDir));
      await temporary.publish(outputDir, async () => false);
    } catch (error) {
      await temporary.discard();
      throw error;
    }
  } catch (error) {
    throw describeFailure(error, outputDir);
  }
  return { dir: outputDir, weightBytes: prefill.weightBytes };
}

async function checkFree(dir: string): Promise<void> {
  const [name] = await readdir(dir).catch(() => []);
  if (name === undefined) return;
  const message = `${dir} is not empty (it holds ${name}); choose another folder for the graphs`;
  throw new TroupeError("file_error", message, { details: { dir } });
}

function checkedLength(wanted: number | null, { maxPositions }: DecoderDescription): number {
  if (wanted === null || (Number.isInteger(wanted) && wanted > 0 && wanted <= maxPositions))
    return wanted ?? maxPositions;
  throw new TroupeError(
    "invalid_config",
    `The longest sequence is ${wanted}; it must be a whole number from 1 to the model's ${maxPositions} positions.`,
  );
}

function describeFailure(error: unknown, outputDir: string): unknown {
  if (!(error instanceof Error && "syscall" in error)) return error;
  const message = `Cannot write graphs to ${outputDir}: ${error.message}. Make room there or choose another folder.`;
  return new TroupeError("file_error", message, { cause: error, details: { dir: outputDir } });
}
