/**
 * The body of a REST request as instances: `{"instances": {...}}` or `{"instances": [{...}, ...]}`, each with a value for
 * every input's name. The first problem's message is MindSpore Serving's, which its clients know.
 */
import { TroupeError } from "../errors/troupe-error.ts";
import { readJsonValue } from "./json-value.ts";
import { parseNumberJson } from "./number-json.ts";
import type { Value } from "./tensor.ts";

/** One instance: values by the names of a method's inputs. */
export type Instance = ReadonlyMap<string, Value>;

/**
 * @throws TroupeError `invalid_json`, `invalid_request`
 * @example
 * ```ts
 * readInstances('{"instances": [{"x1": [1.5, 2.5], "x2": {"b64": "AAEC"}}]}');
 * ```
 */
export function readInstances(body: string): Instance[] {
  const parsed = parseNumberJson(body);
  if (!isObject(parsed) || !Object.hasOwn(parsed, "instances")) {
    throw invalid("key 'instances' expects to exist once, but actually 0 times");
  }
  const { instances } = parsed;
  if (isObject(instances)) return [readInstance(instances, "json object, value is empty")];
  if (!Array.isArray(instances)) throw invalid("instances no key mode is not supported");
  if (instances.length === 0) throw invalid("instances value is array type, but no value");
  if (!isObject(instances[0])) throw invalid("instances no key mode is not supported");
  return instances.map((instance: unknown) => {
    if (!isObject(instance)) throw invalid("json array, instance is not object type");
    return readInstance(instance, "json array, instance is object type, but no value");
  });
}

function readInstance(instance: Readonly<Record<string, unknown>>, whenEmpty: string): Instance {
  const entries = Object.entries(instance);
  if (entries.length === 0) throw invalid(whenEmpty);
  return new Map(
    entries.map(([name, value]) => {
      if (name === "") throw invalid("string key is empty");
      return [name, readJsonValue(value)];
    }),
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function invalid(message: string): TroupeError {
  return new TroupeError("invalid_request", message);
}
