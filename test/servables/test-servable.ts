/**
 * A servable with a method for everything that tests need. Its URL's query says where its models are, its name and version:
 * test-servable.ts?models=file:///folder/&name=test&version=2
 */
import { isMainThread } from "node:worker_threads";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { defineServable, type StageContext } from "../../src/servables/servable-definition.ts";
import { type Tensor, tensor, type Value } from "../../src/servables/tensor.ts";

const query = new URL(import.meta.url).searchParams;
const file = (name: string): URL => new URL(name, query.get("models")!);

/** Waits for a word from the test, and says when it begins to. */
async function hold(word: string): Promise<string> {
  const channel = new BroadcastChannel(word);
  const { promise, resolve } = Promise.withResolvers<void>();
  channel.onmessage = ({ data }) => data === "go" && resolve();
  channel.postMessage("waiting");
  await promise;
  channel.close();
  return word;
}

function* halves(instances: readonly (readonly [Tensor<"int32">])[]): Generator<Tensor> {
  for (const [{ data }] of instances) {
    if (data[0]! % 2 !== 0) throw new TroupeError("invalid_request", `${data[0]} is odd`);
    yield tensor("int32", [], data[0]! / 2);
  }
}

function leave(code: string): never {
  // in a worker this ends the thread alone
  if (!isMainThread) process.exit(Number(code));
  throw new TroupeError("internal", "leave() is for threads");
}

const floats = ({ shape, data }: Tensor): Tensor => tensor("float32", shape, data);
const plusOne = ({ shape, data }: Tensor<"float32">): Tensor =>
  tensor(
    "float32",
    shape,
    data.map((x) => x + 1),
  );

const single = (run: (...inputs: never[]) => unknown, input: string, output: string) => ({
  inputs: [input],
  stages: [{ run, inputs: [input], outputs: [output] }],
  outputs: [output],
});

export default defineServable({
  name: query.get("name") ?? "test",
  version: Number(query.get("version") ?? 1),
  models: {
    add: { file: file("add.onnx") },
    sub: { file: file("sub.onnx") },
    open: { file: file("open.onnx"), withoutBatchDimInputs: [1], batchSize: 4 },
  },
  methods: {
    add: {
      inputs: ["x1", "x2"],
      stages: [{ model: "add", inputs: ["x1", "x2"], outputs: ["y"] }],
      outputs: ["y"],
    },
    add_cast: {
      inputs: ["x1", "x2"],
      stages: [
        {
          run: (a: Tensor, b: Tensor) => [floats(a), floats(b)],
          inputs: ["x1", "x2"],
          outputs: ["x1", "x2"],
        },
        { model: "add", inputs: ["x1", "x2"], outputs: ["y"] },
      ],
      outputs: ["y"],
    },
    add_sub: {
      inputs: ["x1", "x2", "x3"],
      stages: [
        { model: "add", inputs: ["x1", "x2"], outputs: ["sum"] },
        { run: plusOne, inputs: ["sum"], outputs: ["sum"] },
        { model: "sub", inputs: ["sum", "x3"], outputs: ["y"] },
      ],
      outputs: ["y", "sum"],
    },
    scale: {
      inputs: ["x", "scale"],
      stages: [{ model: "open", inputs: ["x", "scale"], outputs: ["y", "rows"] }],
      outputs: ["y", "rows"],
    },
    add_inside: {
      inputs: ["x1", "x2"],
      stages: [
        {
          run: (a: Value, b: Value, { models }: StageContext) => models.add!.run([[a, b]])[0]!,
          inputs: ["x1", "x2"],
          outputs: ["y"],
        },
      ],
      outputs: ["y"],
    },
    half: {
      inputs: ["n"],
      stages: [{ run: halves, inputs: ["n"], outputs: ["half"], batchSize: 8, tag: "Halving" }],
      outputs: ["half"],
    },
    echo: single((value: Value) => value, "value", "value"),
    concat: {
      inputs: ["text1", "text2"],
      stages: [{ run: (a: string, b: string) => a + b, inputs: ["text1", "text2"], outputs: ["text"] }],
      outputs: ["text"],
    },
    hold: single(hold, "word", "word"),
    leave: single(leave, "code", "code"),
    wrong: single(() => [1, 2, 3], "x", "y"),
  },
});
