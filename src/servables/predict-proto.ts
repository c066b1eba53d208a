/**
 * MindSpore Serving's gRPC messages: the schema as protobuf's JSON form, and both ways between messages and values. What
 * is wrong with a tensor is said in that system's words.
 */
import { TroupeError } from "../errors/troupe-error.ts";
import type { Instance } from "./json-instances.ts";
import type { PredictOutcome, PredictRequest } from "./predict.ts";
import { type Failure, type InstanceResult, STATUS } from "./status.ts";
import { bytesOfTensor, sizeOf, type Tensor, tensorFromBytes, type Value } from "./tensor.ts";
import { BYTES_CODE, STR_CODE, TENSOR_TYPES, typeOfCode } from "./tensor-types.ts";

/** Full name of the service. */
export const SERVICE_NAME = "mindspore.serving.proto.MSService";

/** The schema, in the JSON that protobuf libraries read. Shared memory of the same machine is not taken, so it is left out. */
export const SERVICE_SCHEMA = {
  nested: {
    mindspore: {
      nested: {
        serving: {
          nested: {
            proto: {
              nested: {
                MSService: {
                  methods: { Predict: { requestType: "PredictRequest", responseType: "PredictReply" } },
                },
                PredictRequest: {
                  fields: {
                    servable_spec: { type: "ServableSpec", id: 1 },
                    instances: { rule: "repeated", type: "Instance", id: 2 },
                  },
                },
                PredictReply: {
                  fields: {
                    servable_spec: { type: "ServableSpec", id: 1 },
                    instances: { rule: "repeated", type: "Instance", id: 3 },
                    error_msg: { rule: "repeated", type: "ErrorMsg", id: 4 },
                  },
                },
                ErrorMsg: {
                  fields: { error_code: { type: "int64", id: 1 }, error_msg: { type: "bytes", id: 2 } },
                },
                Instance: { fields: { items: { keyType: "string", type: "Tensor", id: 1 } } },
                TensorShape: { fields: { dims: { rule: "repeated", type: "int64", id: 1 } } },
                Tensor: {
                  fields: {
                    shape: { type: "TensorShape", id: 1 },
                    dtype: { type: "int32", id: 2 },
                    data: { type: "bytes", id: 3 },
                    bytes_val: { rule: "repeated", type: "bytes", id: 4 },
                  },
                },
                ServableSpec: {
                  fields: {
                    name: { type: "string", id: 1 },
                    method_name: { type: "string", id: 2 },
                    version_number: { type: "uint64", id: 3 },
                  },
                },
              },
            },
          },
        },
      },
    },
  },
} as const;

/** A `Tensor` message; every field is there, with its default when it was not sent. */
export interface TensorMessage {
  readonly shape: { readonly dims: readonly number[] } | null;
  readonly dtype: number;
  readonly data: Uint8Array;
  readonly bytes_val: readonly Uint8Array[];
}

/** A `ServableSpec` message. */
export interface SpecMessage {
  readonly name: string;
  readonly method_name: string;
  readonly version_number: number;
}

/** An `Instance` message. */
export interface InstanceMessage {
  readonly items: Readonly<Record<string, TensorMessage>>;
}

/** A `PredictRequest` message. */
export interface RequestMessage {
  readonly servable_spec: SpecMessage | null;
  readonly instances: readonly InstanceMessage[];
}

/** A `PredictReply` message: no error for success, one for the whole request, or one for each instance (code 0 for those that succeeded). */
export interface ReplyMessage {
  readonly servable_spec: SpecMessage | null;
  readonly instances: readonly InstanceMessage[];
  readonly error_msg: readonly { readonly error_code: number; readonly error_msg: Uint8Array }[];
}

/** @throws TroupeError `invalid_request` */
export function readRequest({ servable_spec, instances }: RequestMessage): PredictRequest {
  return {
    servable: servable_spec?.name ?? "",
    method: servable_spec?.method_name ?? "",
    version: servable_spec?.version_number ?? 0,
    instances: instances.map(readItems),
  };
}

/** The opposite of {@link readRequest}. */
export function toRequestMessage(request: PredictRequest): RequestMessage {
  return {
    servable_spec: {
      name: request.servable,
      method_name: request.method,
      version_number: request.version,
    },
    instances: request.instances.map((instance) => toItems([...instance])),
  };
}

/** What a client is sent. */
export function toReplyMessage(spec: SpecMessage | null, outcome: PredictOutcome): ReplyMessage {
  if (outcome.kind === "failed") {
    return { servable_spec: spec, instances: [], error_msg: [toErrorMessage(outcome.failure)] };
  }
  const { outputs, results } = outcome;
  const hasFailed = results.some(({ kind }) => kind === "failed");
  return {
    servable_spec: spec,
    instances: results.map((result) =>
      toItems(result.kind === "failed" ? [] : outputs.map((name, index) => [name, result.values[index]!])),
    ),
    error_msg: hasFailed
      ? results.map((result) =>
          toErrorMessage(result.kind === "failed" ? result.failure : { code: STATUS.success, message: "" }),
        )
      : [],
  };
}

/** What a reply says about each instance, or about all of them. @throws TroupeError `engine_failed` for a reply that contradicts itself */
export function readReply({ instances, error_msg: errors }: ReplyMessage): Failure | ReadInstance[] {
  const failures = errors.map(({ error_code, error_msg }) => ({
    code: error_code as Failure["code"],
    message: new TextDecoder().decode(error_msg),
  }));
  const [first] = failures;
  if (failures.length === 1 && first !== undefined && Number(first.code) !== STATUS.success) return first;
  if (failures.length !== 0 && failures.length !== instances.length) {
    const text = `The reply has ${failures.length} errors for ${instances.length} instances.`;
    throw new TroupeError("engine_failed", text);
  }
  return instances.map((instance, index) => {
    const failure = failures[index];
    return failure === undefined || Number(failure.code) === STATUS.success
      ? { kind: "outputs", outputs: readItems(instance) }
      : { kind: "failed", failure };
  });
}

/** One instance of a reply. */
export type ReadInstance =
  | { readonly kind: "outputs"; readonly outputs: Instance }
  | Extract<InstanceResult, { kind: "failed" }>;

function toErrorMessage({ code, message }: { readonly code: number; readonly message: string }) {
  return { error_code: code, error_msg: new TextEncoder().encode(message) };
}

function toItems(values: readonly (readonly [string, Value])[]): InstanceMessage {
  return { items: Object.fromEntries(values.map(([name, value]) => [name, toTensorMessage(value)])) };
}

function toTensorMessage(value: Value): TensorMessage {
  const none = { shape: { dims: [] }, data: new Uint8Array(0) };
  if (typeof value === "string") {
    return { ...none, dtype: STR_CODE, bytes_val: [new TextEncoder().encode(value)] };
  }
  if (value instanceof Uint8Array) return { ...none, dtype: BYTES_CODE, bytes_val: [value] };
  const { code } = TENSOR_TYPES[value.type];
  return { shape: { dims: value.shape }, dtype: code, data: bytesOfTensor(value), bytes_val: [] };
}

function readItems({ items }: InstanceMessage): Instance {
  return new Map(Object.entries(items).map(([name, message]) => [name, readNamed(name, message)]));
}

function readNamed(name: string, message: TensorMessage): Value {
  try {
    return readTensorMessage(message);
  } catch (cause) {
    const detail = (cause as Error).message;
    const text = `Instances input ${name} check failed, detail: ${detail}`;
    throw new TroupeError("invalid_request", text, { cause });
  }
}

function readTensorMessage({ shape, dtype, data, bytes_val }: TensorMessage): Value {
  const dims = (shape?.dims ?? []).map(Number);
  if (dtype === STR_CODE || dtype === BYTES_CODE) return readOneItem(dims, dtype, bytes_val);
  const zero = dims.indexOf(0);
  if (dims.some((dim) => dim < 0 || !Number.isSafeInteger(dim)) || (zero >= 0 && zero < dims.length - 1)) {
    throw invalid(`Tensor check failed: input shape [${dims.join(", ")}] invalid`);
  }
  const type = typeOfCode(dtype);
  if (type === undefined) throw invalid(`Tensor check failed: input data type ${dtype} invalid`);
  if (data.length !== sizeOf(dims) * TENSOR_TYPES[type].bytes) {
    throw invalid(`Tensor check failed: input data size ${data.length} invalid`);
  }
  return tensorFromBytes(type, dims, data) satisfies Tensor;
}

function readOneItem(dims: readonly number[], dtype: number, items: readonly Uint8Array[]): Value {
  const [item] = items;
  if (items.length !== 1 || item === undefined) {
    throw invalid("Instance tensor check failed: bytes or string type shape batch size can only be 1");
  }
  if (dims.length > 1 || (dims.length === 1 && dims[0] !== 1)) {
    const given = `[${dims.join(", ")}]`;
    const text = `bytes or string type input  shape can only be (1,) or empty, but given shape is ${given}`;
    throw invalid(`Instance tensor check failed: ${text}`);
  }
  return dtype === STR_CODE ? new TextDecoder().decode(item) : new Uint8Array(item);
}

function invalid(message: string): TroupeError {
  return new TroupeError("invalid_request", message);
}
