import assert from "node:assert/strict";
import { test } from "node:test";
import { TroupeError } from "../../../src/errors/troupe-error.ts";
import { readRestAddress } from "../../../src/serving/servables/rest-address.ts";

for (const [path, expected] of [
  ["/model/add:add_common", { servable: "add", version: 0, method: "add_common" }],
  ["/model/add/version/3:m", { servable: "add", version: 3, method: "m" }],
  ["/model/add/version/0:m", { servable: "add", version: 0, method: "m" }],
  ["/version/2/model/add:m", { servable: "add", version: 2, method: "m" }],
  ["/model/r%C3%A9s:m%20n", { servable: "rés", version: 0, method: "m n" }],
] as const) {
  test(`${path} is an address`, () => assert.deepEqual(readRestAddress(path), expected));
}

for (const [path, message] of [
  ["/", "please check url, the keyword:[model] must contain."],
  ["/models/add:m", "please check url, the keyword:[model] must contain."],
  ["/model/:m", "please check url, the keyword:[model] must contain."],
  ["/model/add", "please check url, the keyword:[service method] must contain."],
  ["/model/add:", "please check url, the keyword:[service method] must contain."],
  [
    "/model/add/version/x:m",
    "please check url, the keyword:[version] value invalid, request version number x",
  ],
  ["/model/add/version:m", "please check url, the keyword:[version] value invalid, request version number "],
  ["/model/add/version/-1:m", "please check url, version number range failed, request version number -1"],
  [
    "/model/add/version/4294967295:m",
    "please check url, version number range failed, request version number 4294967295",
  ],
] as const) {
  test(`${path}: ${message}`, () => {
    assert.throws(
      () => readRestAddress(path),
      (error) => error instanceof TroupeError && error.message === message,
    );
  });
}
