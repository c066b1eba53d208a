/** The names that config.json files have for activations. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { Activation } from "../mlp-description.ts";

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  silu: "silu",
  swish: "silu",
  gelu: "gelu",
  gelu_fast: "gelu-tanh",
  gelu_new: "gelu-tanh",
  gelu_pytorch_tanh: "gelu-tanh",
};

/**
 * @param what the file and key, for the error
 * @throws TroupeError `unsupported_model` for an unknown one.
 */
export function readActivation(name: string, what: string): Activation {
  const activation = ACTIVATIONS[name];
  if (activation !== undefined) return activation;
  const known = Object.keys(ACTIVATIONS).join(", ");
  throw new TroupeError("unsupported_model", `${what} "${name}" is not supported; supported are ${known}`);
}
