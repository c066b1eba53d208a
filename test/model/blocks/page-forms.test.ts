import { test } from "node:test";
import fc from "fast-check";
import { loadSession, tensor } from "../../../src/execution/onnx-runtime.ts";
import { KV_DTYPES } from "../../../src/kv/forms/kv-form.ts";
import { KV_FORMS } from "../../../src/kv/forms/kv-forms.ts";
import { readRows, storeRows } from "../../../src/model/blocks/page-forms.ts";
import { GraphBuilder } from "../../../src/model/onnx/graph-builder.ts";
import { assertSameBits } from "../../execution/stage.ts";

const HEAD_DIM = 8;

/** Numbers of all sizes, halves that fall between two steps of a form, zeros. */
const ROW = fc
  .tuple(
    fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), {
      minLength: HEAD_DIM,
      maxLength: HEAD_DIM,
    }),
    fc.constantFrom("as they are", "small", "halves", "zeros"),
  )
  .map(([row, kind]) => {
    if (kind === "zeros") return row.map(() => 0);
    if (kind === "halves") return [127, 0.5, 1.5, 2.5, -0.5, -1.5, 126.5, -126.5];
    return kind === "small" ? row.map((value) => Math.fround(Math.sin(value))) : row;
  });

for (const kvDtype of KV_DTYPES) {
  test(`in ${kvDtype}, rows that a graph stores read to the bit as rows that lie in pages`, () => {
    const g = new GraphBuilder("forms", { opset: 24 });
    const stored = storeRows(g, kvDtype, g.input("x", "float32", ["n", HEAD_DIM]));
    const numbers = readRows(g, kvDtype, g.node("Identity", [stored.elements]));
    const read = stored.scales === null ? numbers : g.node("Mul", [numbers, stored.scales]);
    g.output("y", g.node("Identity", [read]), "float32", ["n", HEAD_DIM]);
    const session = loadSession(g.build(), { name: "forms", threads: 1, keepArena: false });
    const form = KV_FORMS[kvDtype];
    fc.assert(
      fc.property(fc.array(ROW, { minLength: 1, maxLength: 6 }), (rows) => {
        const source = Float32Array.from(rows.flat());
        const shape = { numRows: rows.length, headDim: HEAD_DIM, pageSize: 1 };
        const pages = form.open(new SharedArrayBuffer(rows.length * form.rowBytes(HEAD_DIM)), shape);
        for (const row of rows.keys()) pages.write(row, source, row * HEAD_DIM);
        const expected = new Float32Array(source.length);
        pages.read(0, rows.length, expected, 0);
        const { y } = session.run({ x: tensor("float32", source, [rows.length, HEAD_DIM]) }, ["y"]);
        assertSameBits(positiveZeros(y!.data as Float32Array), positiveZeros(expected), "rows");
      }),
    );
    session.release();
  });
}

/** A product with zero has a sign, a whole number has none. */
function positiveZeros(values: Float32Array): Float32Array {
  return values.map((value) => value + 0);
}
