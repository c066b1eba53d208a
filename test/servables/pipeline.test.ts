import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { planMethods } from "../../src/servables/method-plan.ts";
import { ModelBatch } from "../../src/servables/model-batch.ts";
import { Pipeline } from "../../src/servables/pipeline.ts";
import type { MethodDefinition } from "../../src/servables/servable-definition.ts";
import type { InstanceResult } from "../../src/servables/status.ts";
import { type Tensor, tensor, type Value } from "../../src/servables/tensor.ts";
import { type FakeModel, fakeModel, row } from "./fake-model.ts";

const NEVER = new AbortController().signal;

function makePipeline(
  methods: Readonly<Record<string, MethodDefinition>>,
  models: Readonly<Record<string, FakeModel>> = {},
  shouldStop: () => boolean = () => false,
): Pipeline {
  const declarations = Object.fromEntries(Object.keys(models).map((name) => [name, { file: "x.onnx" }]));
  return new Pipeline({
    methods: planMethods({ name: "s", models: declarations, methods }),
    models: new Map(
      Object.entries(models).map(([name, model]) => [name, new ModelBatch(name, model, { file: "x.onnx" })]),
    ),
    yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
    shouldStop,
  });
}

/** Values, or `code: message`. */
function told(results: readonly InstanceResult[]): unknown[] {
  return results.map((result) =>
    result.kind === "failed" ? `${result.failure.code}: ${result.failure.message}` : result.values,
  );
}

const one = (stage: MethodDefinition["stages"][number]): MethodDefinition => ({
  inputs: ["x"],
  stages: [stage],
  outputs: ["y"],
});
const net = { model: "net", inputs: ["x"], outputs: ["y"] };

test("instances of several callers share a run; each caller gets its own, in order", async () => {
  const model = fakeModel([2, 1]);
  const pipeline = makePipeline({ m: one(net) }, { net: model });
  const answers = await Promise.all([
    pipeline.predict("m", [[row(1)], [row(2)]], NEVER),
    pipeline.predict("m", [[row(3)]], NEVER),
  ]);
  assert.deepEqual(model.runs, [
    [1, 2],
    [3, 3],
  ]);
  assert.deepEqual(answers.map(told), [[[row(2)], [row(4)]], [[row(6)]]]);
});

test("stages of any kind, with several values between them", async () => {
  const model = fakeModel([4, 1]);
  const pipeline = makePipeline(
    {
      m: {
        inputs: ["a", "b"],
        stages: [
          {
            run: (a: Tensor<"int32">, b: string) => [row(a.data[0]!), `${b}!`],
            inputs: ["a", "b"],
            outputs: ["x", "text"],
          },
          { model: "net", inputs: ["x"], outputs: ["x"] },
          { model: "net", inputs: ["x"], outputs: ["x"] },
          {
            run: async (x: Tensor<"float32">, text: string) => `${text}${x.data[0]}`,
            inputs: ["x", "text"],
            outputs: ["y"],
          },
        ],
        outputs: ["y", "x"],
      },
    },
    { net: model },
  );
  const given: Value[][] = [1, 2, 3, 4, 5].map((n) => [tensor("int32", [], n), `t${n}`]);
  assert.deepEqual(
    told(await pipeline.predict("m", given, NEVER)),
    [1, 2, 3, 4, 5].map((n) => [`t${n}!${4 * n}`, row(4 * n)]),
  );
  // both stages of the model fill its runs together
  assert.ok(model.runs.length <= 4, `${model.runs.length} runs`);
});

test("a function without a batch size gets one instance; with one a list of at most so many; 0 is the model's", async () => {
  const sizes: number[] = [];
  const many = (instances: readonly Value[][]): Value[][] => {
    sizes.push(instances.length);
    return instances.map(([x]) => [x!]);
  };
  const pipeline = makePipeline(
    {
      three: one({ run: many, batchSize: 3, inputs: ["x"], outputs: ["y"] }),
      zero: one({ run: many, batchSize: 0, inputs: ["x"], outputs: ["y"] }),
    },
    { net: fakeModel([2, 1]) },
  );
  const five = [1, 2, 3, 4, 5].map((n) => [row(n)]);
  assert.deepEqual(told(await pipeline.predict("three", five, NEVER)), five);
  assert.deepEqual(sizes.splice(0), [3, 2]);
  await pipeline.predict("zero", five, NEVER);
  assert.deepEqual(sizes, [2, 2, 1]);
});

test("what a function may return for many: a list, a generator, async ones, promises", async () => {
  const rows = (instances: readonly Value[][]): Value[] => instances.map(([x]) => x!);
  const forms = {
    list: rows,
    async promise(instances: readonly Value[][]) {
      return rows(instances);
    },
    *generator(instances: readonly Value[][]) {
      yield* rows(instances);
    },
    async *asynchronous(instances: readonly Value[][]) {
      yield* rows(instances);
    },
    promises: (instances: readonly Value[][]) => rows(instances).map((x) => Promise.resolve([x])),
  };
  for (const [name, run] of Object.entries(forms)) {
    const pipeline = makePipeline({ m: one({ run, batchSize: 8, inputs: ["x"], outputs: ["y"] }) });
    assert.deepEqual(
      told(await pipeline.predict("m", [[row(1)], [row(2)]], NEVER)),
      [[row(1)], [row(2)]],
      name,
    );
  }
});

test("what is thrown for one instance is that instance's error alone", async () => {
  const check = ({ data }: Tensor<"float32">): Tensor => {
    if (data[0] === 2) throw new TypeError("no twos");
    if (data[0] === 3) throw new TroupeError("invalid_request", "no threes");
    return row(data[0]!);
  };
  const place = "Failed, method: 'm', stage index(begin with 1): 1, error msg:";
  const expected = [[row(1)], `3: Call Check ${place} no twos`, `2: Call Check ${place} no threes`, [row(4)]];
  const given = [1, 2, 3, 4].map((n) => [row(n)]);
  const alone = makePipeline({ m: one({ run: check, inputs: ["x"], outputs: ["y"], tag: "Check" }) });
  assert.deepEqual(told(await alone.predict("m", given, NEVER)), expected);
  function* several(instances: readonly [Tensor<"float32">][]): Generator<Tensor> {
    for (const [x] of instances) yield check(x);
  }
  const many = makePipeline({
    m: one({ run: several, batchSize: 8, inputs: ["x"], outputs: ["y"], tag: "Check" }),
  });
  assert.deepEqual(told(await many.predict("m", given, NEVER)), expected);
});

for (const [what, run, batchSize, message] of [
  [
    "too many outputs",
    () => [1, 2],
    undefined,
    /outputs number 2 of one instance returned by function 'stage 1' is not equal to the outputs number 1/,
  ],
  ["nothing", () => undefined, undefined, /A value must be a tensor, number, .* not undefined/],
  [
    "a tensor that is none",
    () => ({ type: "float32", shape: [3], data: new Float32Array(2) }),
    undefined,
    /has 3 elements, not 2/,
  ],
  [
    "too few results",
    () => [1],
    8,
    /number 1 of instances returned by function 'stage 1' is not equal to the number 2/,
  ],
  ["no list", () => 7, 8, /'stage 1' returned no list of results/],
] as const) {
  test(`a function that returns ${what} fails its instances, and others go on`, async () => {
    const stage = { run, inputs: ["x"], outputs: ["y"], ...(batchSize !== undefined && { batchSize }) };
    const pipeline = makePipeline({ m: one(stage), good: one(net) }, { net: fakeModel([2, 1]) });
    const [, last] = told(await pipeline.predict("m", [[row(1)], [row(2)]], NEVER));
    assert.match(String(last), /^3: Call stage 1 Failed/);
    assert.match(String(last), message);
    assert.deepEqual(told(await pipeline.predict("good", [[row(1)]], NEVER)), [[row(2)]]);
  });
}

test("an instance that the model refuses fails alone; a run that fails is every instance's of it", async () => {
  const model = fakeModel([2, 1], [], (inputs) => {
    if ((inputs[0] as Tensor<"float32">).data[0] === 7) throw new TroupeError("engine_failed", "no sevens");
    return [inputs[0]!];
  });
  const pipeline = makePipeline({ m: one(net) }, { net: model });
  const given = [[row(1)], [row(1, 2)], [row(2)], [row(7)], [row(8)]];
  const results = told(await pipeline.predict("m", given, NEVER));
  assert.match(String(results[1]), /^2: Given model input 0 size 8 not match the size 4/);
  assert.deepEqual([results[0], ...results.slice(2)], [[row(1)], [row(2)], "3: no sevens", "3: no sevens"]);
});

test("a function can run models itself, in batches", async () => {
  const model = fakeModel([2, 1]);
  const run = (
    x: Value,
    { models }: { models: Record<string, { run(rows: Value[][]): Value[][] }> },
  ): Value[] => models.net!.run([[x], [x], [x]])[2]!;
  const pipeline = makePipeline({ m: one({ run, inputs: ["x"], outputs: ["y"] }) }, { net: model });
  assert.deepEqual(told(await pipeline.predict("m", [[row(3)]], NEVER)), [[row(6)]]);
  assert.deepEqual(model.runs, [
    [3, 3],
    [3, 3],
  ]);
  const [refused] = told(await pipeline.predict("m", [[row(1, 2)]], NEVER));
  assert.match(String(refused), /^2: .*size 8 not match the size 4/);
});

test("whose caller is gone is not computed any more", async () => {
  const model = fakeModel([2, 1]);
  const pipeline = makePipeline({ m: one(net) }, { net: model });
  const gone = new AbortController();
  const left = pipeline.predict("m", [[row(1)]], gone.signal);
  const stays = pipeline.predict("m", [[row(2)]], NEVER);
  gone.abort();
  assert.deepEqual(told(await left), ["1: The caller is gone."]);
  assert.deepEqual(told(await stays), [[row(4)]]);
  assert.deepEqual(model.runs, [[2, 2]]);
});

test("asked to stop, it gives up what waits", async () => {
  let isStopping = false;
  const stop = (x: Tensor): Tensor => {
    isStopping = true;
    return x;
  };
  const pipeline = makePipeline(
    {
      m: {
        inputs: ["x"],
        stages: [{ run: stop, inputs: ["x"], outputs: ["x"] }, net],
        outputs: ["y"],
      },
    },
    { net: fakeModel([2, 1]) },
    () => isStopping,
  );
  assert.deepEqual(told(await pipeline.predict("m", [[row(1)]], NEVER)), ["4: Servable stopped"]);
});

test("a model that cannot be filled is not passed over for ever", async () => {
  let isOver = false;
  const pipeline = makePipeline(
    { m: one(net), busy: one({ run: (x: Value) => x, inputs: ["x"], outputs: ["y"] }) },
    { net: fakeModel([8, 1]) },
  );
  const keepBusy = async (): Promise<void> => {
    while (!isOver) await Promise.all([1, 2, 3, 4].map((n) => pipeline.predict("busy", [[row(n)]], NEVER)));
  };
  const busy = Promise.all([keepBusy(), keepBusy(), keepBusy()]);
  assert.deepEqual(told(await pipeline.predict("m", [[row(1)]], NEVER)), [[row(2)]]);
  isOver = true;
  await busy;
});

test("whatever the batches, every instance gets its own result", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        batch: fc.option(fc.integer({ min: 1, max: 5 })),
        requests: fc.array(fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 6 }), {
          maxLength: 6,
        }),
        batchSize: fc.option(fc.integer({ min: 0, max: 4 })),
      }),
      async ({ batch, requests, batchSize }) => {
        const model = fakeModel([batch, 1]);
        const plus = ({ data }: Tensor<"float32">): Tensor => row(data[0]! + 1);
        const many = (instances: readonly [Tensor<"float32">][]): Tensor[] => instances.map(([x]) => plus(x));
        const pre =
          batchSize === null
            ? { run: plus, inputs: ["x"], outputs: ["x"] }
            : { run: many, batchSize, inputs: ["x"], outputs: ["x"] };
        const pipeline = makePipeline(
          { m: { inputs: ["x"], stages: [pre, net], outputs: ["y"] } },
          { net: model },
        );
        const answers = await Promise.all(
          requests.map((numbers) =>
            pipeline.predict(
              "m",
              numbers.map((n) => [row(n)]),
              NEVER,
            ),
          ),
        );
        assert.deepEqual(
          answers.map(told),
          requests.map((numbers) => numbers.map((n) => [row(2 * (n + 1))])),
        );
        if (batch !== null) for (const run of model.runs) assert.equal(run.length, batch);
      },
    ),
    { numRuns: 60 },
  );
});
