/** Finds a graph's keys and values among its inputs and outputs, by the names that exporters give them. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { GraphHeader, GraphValue } from "../onnx/graph-header.ts";
import type { KvNames } from "./graph-model.ts";

/** Names with `%d` for the layer. */
export interface KvNameForm {
  readonly pastKeys: string;
  readonly pastValues: string;
  readonly presentKeys: string;
  readonly presentValues: string;
}

/** What exporters use; the first that fits counts. */
const FORMS: readonly KvNameForm[] = [
  {
    pastKeys: "past_key_values.%d.key",
    pastValues: "past_key_values.%d.value",
    presentKeys: "present.%d.key",
    presentValues: "present.%d.value",
  },
  {
    pastKeys: "past_key_values.%d.key",
    pastValues: "past_key_values.%d.value",
    presentKeys: "present_key_values.%d.key",
    presentValues: "present_key_values.%d.value",
  },
  {
    pastKeys: "past_key_%d",
    pastValues: "past_value_%d",
    presentKeys: "present_key_%d",
    presentValues: "present_value_%d",
  },
  {
    pastKeys: "past.%d.key",
    pastValues: "past.%d.value",
    presentKeys: "present.%d.key",
    presentValues: "present.%d.value",
  },
];

/** A graph's keys and values. */
export interface FoundKv {
  readonly past: KvNames | null;
  readonly present: KvNames | null;
}

/**
 * @param given the names that the configuration or the folder says; null looks for the usual ones
 * @throws TroupeError `invalid_model` when layers lack one of theirs
 */
export function findKvNames(header: GraphHeader, given: KvNameForm | null): FoundKv {
  for (const form of given === null ? FORMS : [given]) {
    const past = layersOf(header, header.inputs, form.pastKeys, form.pastValues);
    const present = layersOf(header, header.outputs, form.presentKeys, form.presentValues);
    if (present !== null || (given !== null && past !== null)) return checked(header, form, past, present);
  }
  if (given !== null) throw invalid(header, `has no output ${given.presentKeys.replace("%d", "0")}`);
  return { past: null, present: null };
}

function layersOf(
  header: GraphHeader,
  values: readonly GraphValue[],
  keys: string,
  valuesName: string,
): KvNames | null {
  const names = new Set(values.map(({ name }) => name));
  const numLayers = countLayers(names, keys);
  if (numLayers === 0) return null;
  const all = (form: string) =>
    Array.from({ length: numLayers }, (_, layer) => form.replace("%d", `${layer}`));
  const found = { keys: all(keys), values: all(valuesName) };
  const missing = found.values.find((name) => !names.has(name));
  if (missing !== undefined) throw invalid(header, `has ${found.keys[0]}, but no ${missing}`);
  return found;
}

function countLayers(names: ReadonlySet<string>, form: string): number {
  let layer = 0;
  while (names.has(form.replace("%d", `${layer}`))) layer++;
  return layer;
}

function checked(
  header: GraphHeader,
  form: KvNameForm,
  past: KvNames | null,
  present: KvNames | null,
): FoundKv {
  if (past === null || present?.keys.length === past.keys.length) return { past, present };
  throw invalid(
    header,
    `takes keys of ${past.keys.length} layers (${form.pastKeys}) and gives those of ${present?.keys.length ?? 0} (${form.presentKeys})`,
  );
}

function invalid({ path }: GraphHeader, what: string): TroupeError {
  return new TroupeError("invalid_model", `${path} ${what}.`, { details: { path } });
}
