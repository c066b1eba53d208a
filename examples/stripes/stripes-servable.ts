/**
 * A servable: which way do the stripes of a picture run? A picture is 256 bytes, 16 rows of 16 grey pixels.
 *
 *     npm run -s troupe -- servables examples/stripes/stripes-servable.ts
 */
import { defineServable, type Tensor, TroupeError, tensor } from "../../src/index.ts"; // in your project: from "troupe"

const SIZE = 16;
const LABELS = ["rows", "columns", "rising", "falling"];

function decode(image: Uint8Array): Tensor {
  if (image.length !== SIZE * SIZE) {
    throw new TroupeError("invalid_request", `A picture has ${SIZE * SIZE} bytes, not ${image.length}.`);
  }
  return tensor(
    "float32",
    [1, SIZE, SIZE],
    Float32Array.from(image, (grey) => grey / 255),
  );
}

function top1({ data }: Tensor<"float32">): string {
  return LABELS[data.indexOf(Math.max(...data))]!;
}

function withScore({ data }: Tensor<"float32">): [string, number] {
  const score = Math.max(...data);
  return [LABELS[data.indexOf(score)]!, score];
}

const pixels = { run: decode, inputs: ["image"], outputs: ["pixels"], tag: "Preprocess" };
const scores = { model: "net", inputs: ["pixels"], outputs: ["scores"] } as const;

export default defineServable({
  name: "stripes",
  version: 1,
  models: { net: { file: "stripes.onnx" } }, // takes two pictures at a time
  methods: {
    classify_top1: {
      inputs: ["image"],
      stages: [pixels, scores, { run: top1, inputs: ["scores"], outputs: ["label"], tag: "Postprocess" }],
      outputs: ["label"],
    },
    classify_score: {
      inputs: ["image"],
      stages: [pixels, scores, { run: withScore, inputs: ["scores"], outputs: ["label", "score"] }],
      outputs: ["label", "score"],
    },
  },
});
