/** What workers of servables understand. */
import type { ServableInfo } from "../src/servables/servable-info.ts";
import type { InstanceResult } from "../src/servables/status.ts";
import type { Value } from "../src/servables/tensor.ts";

export type ServableWorkerProtocol = {
  readonly describe: { message: null; reply: ServableInfo };
  /** Instances of one method, whoever sent them, each a value for every input; a result for each. */
  readonly predict: {
    message: { readonly method: string; readonly instances: readonly (readonly Value[])[] };
    reply: readonly InstanceResult[];
  };
};

/** What a worker is started with. */
export interface ServableWorkerArgs {
  /** URL of the module that defines the servable. */
  readonly module: string;
  /** 0 takes the newest. */
  readonly version: number;
  readonly device: string;
  /** Of ONNX Runtime, inside one operator. */
  readonly threads: number;
}
