/** `GET /v1/models` and `GET /v1/models/{name}`. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { ModelInfo } from "../engine.ts";

/** A model on the wire; root and max_model_len are vLLM's additions. */
export interface WireModel {
  readonly id: string;
  readonly object: "model";
  /** Unix seconds. */
  readonly created: number;
  readonly owned_by: "troupe";
  /** The canonical name. */
  readonly root: string;
  readonly parent: null;
  readonly max_model_len: number;
}

/** All names that requests may use. */
export function toModelList(models: readonly ModelInfo[]): {
  readonly object: "list";
  readonly data: readonly WireModel[];
} {
  return { object: "list", data: models.flatMap((info) => info.names.map((name) => toModel(info, name))) };
}

/** @throws TroupeError `model_not_found`. */
export function toModel(info: ModelInfo, name: string): WireModel {
  return {
    id: resolveModelName(info, name),
    object: "model",
    created: info.createdAt,
    owned_by: "troupe",
    root: info.names[0] ?? name,
    parent: null,
    max_model_len: info.maxModelLen,
  };
}

/**
 * @param name null takes the canonical name.
 * @param served all names of the server, which the error shows. Default: those of this model
 * @throws TroupeError `model_not_found`.
 */
export function resolveModelName(
  info: ModelInfo,
  name: string | null,
  served: readonly string[] = info.names,
): string {
  const resolved = name ?? info.names[0];
  if (resolved !== undefined && info.names.includes(resolved)) return resolved;
  const message = `The model ${JSON.stringify(name)} does not exist. This server serves: ${served.join(", ")}.`;
  throw new TroupeError("model_not_found", message, { details: { param: "model" } });
}
