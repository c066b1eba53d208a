import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TroupeError } from "../../../src/errors/troupe-error.ts";
import { readChatRequest } from "../../../src/protocol/openai/chat-request.ts";
import { readCompletionRequest } from "../../../src/protocol/openai/completion-request.ts";
import { toInputItemList } from "../../../src/protocol/openai/input-item-list.ts";
import { nameResponseField, readResponseRequest } from "../../../src/protocol/openai/response-request.ts";
import { readResponseClientMessage } from "../../../src/protocol/openai/response-socket-messages.ts";
import { wireName } from "../../../src/protocol/openai/sampling-fields.ts";
import { readTokenizeRequest } from "../../../src/protocol/openai/tokenize.ts";
import { readClientMessage } from "../../../src/protocol/stream-messages.ts";
import { createSamplingParams } from "../../../src/sampling/create-sampling-params.ts";
import { FakeEngine } from "../../serving/fake-engine.ts";

const FIELDS =
  "model prompt messages temperature top_k top_p stop n best_of logprobs top_logprobs echo stream stream_options tools " +
  "tool_choice logit_bias seed max_tokens max_completion_tokens prompt_token_ids type id chat_template_kwargs suffix " +
  "response_format stop_token_ids prompt_logprobs return_token_ids min_tokens modalities user input instructions " +
  "previous_response_id metadata truncation background store include text reasoning max_output_tokens generate stream_id " +
  "response_id starting_after resumable after";

const value = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom<unknown>(null, true, 0, 1, -1, 1.5, 1e300, "", "x", [], {}, [1], ["x"], [[1]]),
  },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<unknown> },
  {
    weight: 1,
    arbitrary: fc.array(
      fc.record({ role: fc.constantFrom("user", "tool", "x"), content: fc.jsonValue({ maxDepth: 2 }) }),
    ),
  },
);
const body = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.dictionary(fc.constantFrom(...FIELDS.split(" ")), value, { noNullPrototype: true }),
  },
  { weight: 1, arbitrary: fc.jsonValue() as fc.Arbitrary<unknown> },
);

test("whatever a client sends is read or refused with a 4xx, never anything else", () => {
  const { info } = new FakeEngine();
  const readers = [
    (wire: unknown) =>
      createSamplingParams(readCompletionRequest(wire, info).fields, { nameField: wireName }),
    (wire: unknown) => createSamplingParams(readChatRequest(wire).fields, { nameField: wireName }),
    (wire: unknown) => readTokenizeRequest(wire),
    (wire: unknown) => readClientMessage(wire, info),
    (wire: unknown) => readClientMessage({ id: "a", ...(wire as object), type: "generate" }, info),
    (wire: unknown) => readClientMessage({ id: "a", stream: "b", ...(wire as object), type: "resume" }, info),
    (wire: unknown) =>
      createSamplingParams(readResponseRequest(wire).fields, { nameField: nameResponseField }),
    (wire: unknown) => readResponseClientMessage(wire),
    ...["create", "cancel", "resume"].map(
      (type) => (wire: unknown) =>
        readResponseClientMessage({ ...(wire as object), type: `response.${type}` }),
    ),
    (wire: unknown) => toInputItemList([], wire),
  ];
  fc.assert(
    fc.property(body, (wire) => {
      for (const read of readers) {
        try {
          read(wire);
        } catch (error) {
          assert.ok(error instanceof TroupeError, String(error));
          assert.equal(error.status >= 400 && error.status < 500, true, error.message);
        }
      }
    }),
    { numRuns: 500 },
  );
});
