import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig, type PartialConfig, parseConfig } from "../../src/config/load-config.ts";

test("files of graphs count from the configuration file, entry by entry", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "troupe-graphs-keys-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "a.yaml");
  writeFileSync(
    file,
    "graphs:\n  prefill: [a/prefill.onnx]\n  decode: [/b/decode.onnx]\n  topk: topk.onnx\n  inputModule: inputs.ts\n",
  );
  const { prefill, decode, argmax, topk, inputModule } = loadConfig({ file }).graphs;
  assert.deepEqual(prefill, [join(folder, "a", "prefill.onnx")]);
  assert.deepEqual(decode, ["/b/decode.onnx"]);
  assert.equal(argmax, null);
  assert.deepEqual([topk, inputModule], [join(folder, "topk.onnx"), join(folder, "inputs.ts")]);
});

test("one pair for each rank, with buckets and names", () => {
  const graphs = {
    prefill: ["/a/prefill.onnx"],
    decode: ["/a/decode.onnx"],
    seqLengths: [512, 1024],
    actLengths: [512, 1024, 2048],
    pastKeys: "k.%d",
    pastValues: "v.%d",
    presentKeys: "ok.%d",
    presentValues: "ov.%d",
  };
  assert.partialDeepStrictEqual(parseConfig({ graphs }).graphs, graphs);
});

const REFUSED: readonly [PartialConfig["graphs"] & object, RegExp][] = [
  [
    { prefill: ["a", "b"], decode: ["c"] },
    /"graphs\.decode": names 1 file, but graphs\.prefill 2; both need one for each rank/,
  ],
  [{ decode: ["c"] }, /"graphs\.decode": names 1 file, but graphs\.prefill 0/],
  [{ seqLengths: [1024, 512] }, /"graphs\.seqLengths": must ascend/],
  [{ decodeBatchSizes: [4, 4] }, /"graphs\.decodeBatchSizes": must ascend/],
  [{ actLengths: [0] }, /"graphs\.actLengths\.0": must be/],
  [{ pastKeys: "key" }, /"graphs\.pastKeys": must hold "%d" once/],
  [{ pastKeys: "key.%d" }, /"graphs\.pastValues": is needed too: set all of pastKeys, pastValues/],
  [{ argmax: "/a.onnx", topk: "/a.onnx" }, /"graphs\.topk": is the file of graphs\.argmax/],
];

for (const [graphs, expected] of REFUSED) {
  test(`${JSON.stringify(graphs)} is refused`, () => {
    assert.throws(() => parseConfig({ graphs }), expected);
  });
}
