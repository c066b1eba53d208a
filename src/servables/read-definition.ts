/** Checks what a servable's module exports: the one place where a definition is not trusted to be what its type says. */
import { parse, z } from "../core/schema.ts";
import type { ServableDefinition } from "./servable-definition.ts";

/** Beyond it MindSpore Serving refuses the number in an address. */
const MAX_VERSION = 2 ** 32 - 2;
const MAX_BATCH_SIZE = 65_536;

/** What stands in addresses, between `/` and `:`. */
const name = z.string().regex(/^[^\s/:?#%]+$/, "must not be empty or have spaces or any of / : ? # %");
const names = z.array(z.string().min(1)).min(1);
const tag = z.string().optional();

const functionStage = z.strictObject({
  run: z.custom<object>((value) => typeof value === "function", "must be a function"),
  inputs: names,
  outputs: names,
  batchSize: z.int().min(0).max(MAX_BATCH_SIZE).optional(),
  tag,
});
const modelStage = z.strictObject({ model: z.string(), inputs: names, outputs: names, tag });

const method = z.strictObject({
  inputs: names,
  stages: z.array(z.union([functionStage, modelStage])),
  outputs: names,
});

const model = z.strictObject({
  file: z.union([z.string().min(1), z.instanceof(URL)]),
  withBatchDim: z.boolean().optional(),
  withoutBatchDimInputs: z.array(z.int().min(0)).optional(),
  batchSize: z.int().min(1).max(MAX_BATCH_SIZE).optional(),
});

const definition = z.strictObject({
  name,
  version: z.int().min(1).max(MAX_VERSION).optional(),
  models: z.record(z.string(), model).optional(),
  methods: z.record(name, method).refine((methods) => Object.keys(methods).length > 0, "must have a method"),
});

/**
 * @param what the module, as messages begin
 * @throws TroupeError `invalid_config`
 */
export function readDefinition(value: unknown, what: string): ServableDefinition {
  // What the schema cannot say: a function's own type.
  return parse(definition, value, { code: "invalid_config", what }) as ServableDefinition;
}
