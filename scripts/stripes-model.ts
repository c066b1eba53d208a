/**
 * `node scripts/stripes-model.ts`: writes examples/stripes/stripes.onnx, a small convolutional network that tells which way
 * stripes run. Its four filters are written down here, not trained.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { GraphBuilder } from "../src/model/onnx/graph-builder.ts";

/** Rows of one run. */
const BATCH = 2;
const SIZE = 16;

/** Filters that answer to lines along a row, a column and both diagonals. */
const FILTERS = [
  [-1, -1, -1, 2, 2, 2, -1, -1, -1],
  [-1, 2, -1, -1, 2, -1, -1, 2, -1],
  [-1, -1, 2, -1, 2, -1, 2, -1, -1],
  [2, -1, -1, -1, 2, -1, -1, -1, 2],
];

/** The model's bytes: image float32 [2, 1, 16, 16] from 0 to 1, scores float32 [2, 4]. */
export function buildStripesModel(): Uint8Array<ArrayBuffer> {
  const g = new GraphBuilder("stripes");
  const image = g.input("image", "float32", [BATCH, 1, SIZE, SIZE]);
  const filters = g.initializer("filters", "float32", [4, 1, 3, 3], Float32Array.from(FILTERS.flat()));
  const lines = g.node("Relu", [g.node("Conv", [image, filters])]); // [2, 4, 14, 14]
  const strengths = g.node("Flatten", [g.node("GlobalAveragePool", [lines])]); // [2, 4]
  g.output("scores", g.node("Softmax", [strengths]), "float32", [BATCH, 4]);
  return g.build();
}

if (import.meta.main) {
  const file = fileURLToPath(new URL("../examples/stripes/stripes.onnx", import.meta.url));
  writeFileSync(file, buildStripesModel());
}
