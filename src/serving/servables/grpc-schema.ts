/** The adapter for @grpc/proto-loader: the one method of MindSpore Serving's service, with its (de)serialisers. */
import { fromJSON, type MethodDefinition } from "@grpc/proto-loader";
import { invariant } from "../../errors/troupe-error.ts";
import {
  type ReplyMessage,
  type RequestMessage,
  SERVICE_NAME,
  SERVICE_SCHEMA,
} from "../../servables/predict-proto.ts";

/** `Predict`. */
export type PredictMethod = MethodDefinition<RequestMessage, ReplyMessage, RequestMessage, ReplyMessage>;

/** Field names as in the schema, numbers for int64 (versions, dimensions and codes are small), every field with its default. */
export function predictMethod(): PredictMethod {
  const options = { keepCase: true, longs: Number, defaults: true };
  // protobufjs' types want fields of what is a namespace
  const schema = SERVICE_SCHEMA as unknown as Parameters<typeof fromJSON>[0];
  const service = fromJSON(schema, options)[SERVICE_NAME];
  invariant(service !== undefined && "Predict" in service, "the schema has the service");
  return service.Predict as PredictMethod;
}
