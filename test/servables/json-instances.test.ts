import assert from "node:assert/strict";
import { test } from "node:test";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { readInstances } from "../../src/servables/json-instances.ts";
import { tensor, type Value } from "../../src/servables/tensor.ts";

function value(json: string): Value {
  return readInstances(`{"instances": [{"x": ${json}}]}`)[0]!.get("x")!;
}

const b64 = (bytes: ArrayLike<number>): string => Buffer.from(Array.from(bytes)).toString("base64");

for (const [json, expected] of [
  ["7", tensor("int32", [], 7)],
  ["-7", tensor("int32", [], -7)],
  ["7.0", tensor("float32", [], 7)],
  ["7.5", tensor("float32", [], 7.5)],
  ["1e2", tensor("float32", [], 100)],
  ["true", tensor("bool", [], true)],
  ['"text"', "text"],
  ['""', ""],
  ['["text"]', "text"],
  ["[1, 2]", tensor("int32", [2], [1, 2])],
  ["[1.0, 2.0]", tensor("float32", [2], [1, 2])],
  ["[[1.5, 2.0], [3.0, 4.0]]", tensor("float32", [2, 2], [1.5, 2, 3, 4])],
  ["[[[true]], [[false]]]", tensor("bool", [2, 1, 1], [1, 0])],
  [`{"b64": "${b64([0, 1, 255])}"}`, new Uint8Array([0, 1, 255])],
  ['{"b64": ""}', new Uint8Array(0)],
  [`[{"b64": "${b64([7])}"}]`, new Uint8Array([7])],
  [`{"b64": "${b64([7])}", "shape": [1]}`, new Uint8Array([7])],
  [`{"b64": "${b64(Buffer.from("äx"))}", "type": "str"}`, "äx"],
  [`{"b64": "${b64([1, 0, 0, 0])}", "type": "int32"}`, tensor("int32", [], 1)],
  [`{"b64": "${b64([1, 0, 2, 0])}", "type": "int16", "shape": [2, 1]}`, tensor("int16", [2, 1], [1, 2])],
  [`{"b64": "${b64([0, 0x3c, 0, 0xc0])}", "type": "fp16", "shape": [2]}`, tensor("float16", [2], [1, -2])],
  [`{"b64": "${b64([0, 0x3c])}", "type": "float16"}`, tensor("float16", [], 1)],
  ['{"b64": "", "type": "fp64", "shape": [3, 0]}', tensor("float64", [3, 0], [])],
  [`{"b64": "${b64([1, 0])}", "type": "bool", "shape": [2]}`, tensor("bool", [2], [1, 0])],
] as const) {
  test(`${json} is read`, () => assert.deepEqual(value(json), expected));
}

test("one instance may stand without a list, and several keep their order", () => {
  assert.deepEqual(readInstances('{"instances": {"a": 1, "b": "x"}}'), [
    new Map<string, Value>([
      ["a", tensor("int32", [], 1)],
      ["b", "x"],
    ]),
  ]);
  const several = readInstances('{"instances": [{"a": 1}, {"a": 2}]}');
  assert.deepEqual(
    several.map((instance) => instance.get("a")),
    [tensor("int32", [], 1), tensor("int32", [], 2)],
  );
});

test("names that objects have of their own are only names", () => {
  const [instance] = readInstances('{"instances": {"__proto__": 1, "constructor": 2.0}}');
  assert.deepEqual([...instance!.keys()], ["__proto__", "constructor"]);
});

for (const [body, message] of [
  ["{}", "key 'instances' expects to exist once, but actually 0 times"],
  ["[]", "key 'instances' expects to exist once, but actually 0 times"],
  ['{"instances": 1}', "instances no key mode is not supported"],
  ['{"instances": [1]}', "instances no key mode is not supported"],
  ['{"instances": []}', "instances value is array type, but no value"],
  ['{"instances": {}}', "json object, value is empty"],
  ['{"instances": [{}]}', "json array, instance is object type, but no value"],
  ['{"instances": [{"x": 1}, 2]}', "json array, instance is not object type"],
  ['{"instances": {"": 1}}', "string key is empty"],
] as const) {
  test(`${body} is refused: ${message}`, () => assertRefused(() => readInstances(body), message));
}

for (const [json, message] of [
  ["null", "json value is null, it is not supported"],
  ["[]", "json array, shape is empty"],
  ["[[]]", "json array, data type is unknown"],
  ["[null]", "json array, data should be number, bool, string or bytes"],
  ["[[1, 2], 3]", "invalid json array: json type is not array"],
  ["[[1, 2], [3]]", "invalid json array: json size is 1, the dim 1 expected to be 2"],
  ["[1, [2]]", "json array, data should be number, bool, string or bytes"],
  ["[1, 2.5]", "json array, elements type is not equal"],
  ["[1.5, 2]", "json array, elements type is not equal"],
  ["[1, true]", "json array, elements type is not equal"],
  ['[1, "2"]', "json array, elements type is not equal"],
  ['["a", "b"]', "json array, string or bytes type only support one item"],
  ['[["a"]]', "shape can only be (1,) or empty, but given shape is [1, 1]"],
  ['[{"b64": "AA=="}, {"b64": "AA=="}]', "json array, string or bytes type only support one item"],
  ['[{"b64": "AAAAAA==", "type": "int32"}]', "object only support string or bytes type"],
  ["3000000000", "json value 3000000000 is out of the range of int32"],
  ["[1, -3000000000]", "json value -3000000000 is out of the range of int32"],
  ["{}", "json object, value is empty"],
  ['{"type": "int8"}', "json object, 'b64' should be specified only one time"],
  ['{"b64": "AA==", "dtype": "int8"}', "json object, key is not ['b64', 'type', 'shape'], fail key:dtype"],
  ['{"b64": "", "type": "str", "shape": [], "x": 1}', "json object, items size is more than 3"],
  ['{"b64": 1}', "get scalar data failed, type is string, but json is not string type"],
  ['{"b64": "AA==", "type": 8}', "key is 'type', value should be string type"],
  ['{"b64": "AA==", "type": "int4"}', "specified type:'int4' is illegal"],
  ['{"b64": "AA==", "type": "int8", "shape": 1}', "key is 'shape', value should be array type"],
  ['{"b64": "AA==", "type": "int8", "shape": [-1]}', "array value should be unsigned integer"],
  ['{"b64": "AA==", "type": "int8", "shape": [1.5]}', "array value should be unsigned integer"],
  ['{"b64": "", "type": "int8", "shape": [1, 0, 2]}', "key is 'shape', invalid shape value [1,0,2]"],
  ['{"b64": "AA==", "shape": [2]}', "only support scalar when data type is string or bytes"],
  ['{"b64": "AA==", "type": "str", "shape": [0]}', "only support scalar when data type is string or bytes"],
  ['{"b64": "AAA"}', "'AAA' is illegal b64 encode string"],
  ['{"b64": "AA!="}', "decode base64 failed, size is not matched."],
  ['{"b64": "A-A="}', "decode base64 failed, size is not matched."],
  [
    '{"b64": "AAAA", "type": "int32", "shape": [1]}',
    "size is not matched, decode base64 size:3; Given info: type:int32; type size:4; element nums:1",
  ],
] as const) {
  test(`${json} is refused: ${message}`, () => assertRefused(() => value(json), message));
}

function assertRefused(read: () => unknown, message: string): void {
  assert.throws(read, (error) => {
    assert.ok(error instanceof TroupeError && error.code === "invalid_request");
    assert.ok(error.message.includes(message), error.message);
    return true;
  });
}
