/**
 * A model as ONNX graphs, served as it is, with an input builder of your own.
 *
 *     npm run -s example examples/onnx-graphs.ts
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as troupe from "../src/index.ts"; // in your project: from "troupe"

/** A tensor of a row for each sequence and `width` numbers a row. */
const table = (
  rows: readonly unknown[],
  width: number,
  numberAt: (row: number, column: number) => number,
) => ({
  dims: [rows.length, width],
  values: Array.from({ length: rows.length * width }, (_, i) => numberAt(Math.floor(i / width), i % width)),
});

// The default export of the module that graphs.inputModule names; here it is this file itself. The model's thread asks the
// builder for all that is neither key nor value. "common" makes the same and more; graphs with other inputs need their own.
export default troupe.defineInputBuilders({
  mine: ({ rows, numTokens, pastLength, padTokenId }) => ({
    input_ids: table(rows, numTokens, (row, token) => rows[row]!.tokenIds[token] ?? padTokenId),
    position_ids: table(rows, numTokens, (row, token) => rows[row]!.contextLen + token),
    // Earlier tokens stand at the end of the past: padding before them, and behind the new ones.
    attention_mask: table(rows, pastLength + numTokens, (row, place) => {
      const { contextLen, tokenIds } = rows[row]!;
      return place >= pastLength - contextLen && place < pastLength + tokenIds.length ? 1 : 0;
    }),
  }),
});

if (import.meta.main) {
  const folder = mkdtempSync(join(tmpdir(), "troupe-example-"));
  const outputDir = join(folder, "graphs");
  await troupe.exportModel({
    modelDir: "models/understudy",
    outputDir,
    precision: null,
    maxModelLen: null,
  });
  const graphs = { inputModule: import.meta.filename, basicInputs: "mine" };
  const engine = await troupe.startEngine(troupe.parseConfig({ model: { path: outputDir }, graphs }));
  console.log(`precision: ${engine.info.precision}`);
  const messages = [{ role: "user", content: "What is the capital of France?" }];
  const params = troupe.createSamplingParams({ temperature: 0, maxTokens: 64 });
  for await (const event of engine.generate({ prompt: { kind: "chat", messages }, params }))
    if (event.kind === "delta") process.stdout.write(event.text);
  await engine.stop();
  rmSync(folder, { recursive: true });
}
