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

/** A model that requests may name because another server has it. */
export type WirePeerModel = Pick<WireModel, "id" | "object" | "created" | "owned_by">;

/**
 * All names that requests may use.
 *
 * @param peerModels those of other servers
 */
export function toModelList(
  models: readonly ModelInfo[],
  peerModels: readonly string[] = [],
): { readonly object: "list"; readonly data: readonly (WireModel | WirePeerModel)[] } {
  const own = models.flatMap((info) => info.names.map((name) => toModel(info, name)));
  const created = models[0]?.createdAt ?? 0;
  const elsewhere = peerModels
    .filter((name) => own.every(({ id }) => id !== name))
    .map((id) => ({ id, object: "model", created, owned_by: "troupe" }) as const);
  return { object: "list", data: [...own, ...elsewhere] };
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
