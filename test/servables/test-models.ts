/** Small ONNX models for servables, in a folder of their own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import { GraphBuilder } from "../../src/model/onnx/graph-builder.ts";
import type { DataType } from "../../src/model/onnx/tensor-proto.ts";

/** `y = x1 op x2`, two rows of two numbers a run. */
export function pairModel(op: "Add" | "Sub"): Uint8Array {
  const g = new GraphBuilder(op);
  const [x1, x2] = ["x1", "x2"].map((name) => g.input(name, "float32", [2, 2]));
  g.output("y", g.node(op, [x1!, x2!]), "float32", [2, 2]);
  return g.build();
}

/** Any number of rows of any length: `y = x * scale`, and `rows`, how many shared the run. `scale` has no batch dimension. */
export function openModel(): Uint8Array {
  const g = new GraphBuilder("open");
  const x = g.input("x", "float32", ["n", "length"]);
  const scale = g.input("scale", "float32", [1]);
  g.output("y", g.node("Mul", [x, scale]), "float32", ["n", "length"]);
  const numRows = g.node("Shape", [x], { start: 0, end: 1 });
  g.output("rows", g.node("Expand", [numRows, numRows]), "int64", ["n"]);
  return g.build();
}

/** `y = x` of one type, any number of rows of two. */
export function identityModel(type: DataType): Uint8Array<ArrayBuffer> {
  const g = new GraphBuilder("identity");
  g.output("y", g.node("Identity", [g.input("x", type, ["n", 2])]), type, ["n", 2]);
  return g.build();
}

/** `y = x` of one text for each row: our writer knows no texts, so it is one of bytes with the type changed. */
export function textModel(): Uint8Array {
  const g = new GraphBuilder("text");
  g.output("y", g.node("Identity", [g.input("x", "uint8", ["n"])]), "uint8", ["n"]);
  const bytes = Buffer.from(g.build());
  const uint8Type = Buffer.from([0x08, 0x02, 0x12]);
  for (let at = bytes.indexOf(uint8Type); at >= 0; at = bytes.indexOf(uint8Type, at)) bytes[at + 1] = 0x08;
  return bytes;
}

/** Writes files into a folder that goes with the test. @returns its URL */
export function folderOf(t: Pick<TestContext, "after">, files: Readonly<Record<string, Uint8Array>>): URL {
  const folder = mkdtempSync(join(tmpdir(), "troupe-servables-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  return pathToFileURL(`${folder}/`);
}
