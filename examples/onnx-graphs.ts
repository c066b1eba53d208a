/**
 * A model as ONNX graphs, served as it is, with an input builder of your own.
 *
 *     npm run -s example examples/onnx-graphs.ts
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createSamplingParams,
  defineInputBuilders,
  exportModel,
  type GraphStep,
  type InputTensor,
  parseConfig,
  startEngine,
} from "../src/index.ts"; // in your project: from "troupe"

function perToken(
  { rows, numTokens }: GraphStep,
  numberOf: (row: number, token: number) => number,
): InputTensor {
  const values = Array.from({ length: rows.length * numTokens }, (_, i) =>
    numberOf(Math.floor(i / numTokens), i % numTokens),
  );
  return { dims: [rows.length, numTokens], values };
}

// The module that graphs.inputModule names; here it is this file itself. The model's thread loads it and asks the builder
// for everything that is neither a key nor a value. "common" makes the same and more; a graph with other inputs needs its own.
export default defineInputBuilders({
  mine: (step) => ({
    input_ids: perToken(step, (row, token) => step.rows[row]!.tokenIds[token] ?? step.padTokenId),
    position_ids: perToken(step, (row, token) => step.rows[row]!.contextLen + token),
    attention_mask: {
      dims: [step.rows.length, step.pastLength + step.numTokens],
      // earlier tokens stand at the end of the past, padding before them and behind the new ones
      values: step.rows.flatMap(({ contextLen, tokenIds }) =>
        Array.from({ length: step.pastLength + step.numTokens }, (_, place) =>
          place >= step.pastLength - contextLen && place < step.pastLength + tokenIds.length ? 1 : 0,
        ),
      ),
    },
  }),
});

if (import.meta.main) {
  const folder = mkdtempSync(join(tmpdir(), "troupe-example-"));
  const outputDir = join(folder, "graphs");
  await exportModel({ modelDir: "models/understudy", outputDir, precision: null, maxModelLen: null });
  const graphs = { inputModule: import.meta.filename, basicInputs: "mine" };
  const engine = await startEngine(parseConfig({ model: { path: outputDir }, graphs }));
  console.log(`precision: ${engine.info.precision}`);
  const messages = [{ role: "user", content: "What is the capital of France?" }];
  const params = createSamplingParams({ temperature: 0, maxTokens: 64 });
  for await (const event of engine.generate({ prompt: { kind: "chat", messages }, params }))
    if (event.kind === "delta") process.stdout.write(event.text);
  await engine.stop();
  rmSync(folder, { recursive: true });
}
