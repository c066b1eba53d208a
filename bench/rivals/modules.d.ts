/** As much of the rivals' interfaces as is used here: their packages are not installed with ours. */
declare module "node-llama-cpp" {
  interface Sequence {
    evaluate(
      tokens: readonly number[],
      options: { readonly temperature: number; readonly yieldEogToken: boolean },
    ): AsyncGenerator<number, void, void>;
    dispose(): void;
  }
  interface Context {
    getSequence(): Sequence;
  }
  interface Model {
    createContext(options: {
      readonly sequences: number;
      readonly contextSize: number;
      readonly batchSize: number;
      readonly threads: number;
      readonly flashAttention: boolean;
    }): Promise<Context>;
  }
  interface Llama {
    loadModel(options: { readonly modelPath: string }): Promise<Model>;
    dispose(): Promise<void>;
  }
  export function getLlama(options: {
    readonly gpu: false;
    readonly build: "never";
    readonly progressLogs: false;
    readonly logLevel: "error";
    readonly maxThreads: 0;
  }): Promise<Llama>;
}

declare module "@huggingface/transformers" {
  export class Tensor {
    constructor(type: "int64", data: BigInt64Array, dims: readonly number[]);
  }
  export abstract class BaseStreamer {
    abstract put(value: readonly (readonly bigint[])[]): void;
    abstract end(): void;
  }
  export class InterruptableStoppingCriteria {
    interrupt(): void;
  }
  interface Model {
    generate(options: {
      readonly inputs: Tensor;
      readonly attention_mask: Tensor;
      readonly max_new_tokens: number;
      readonly min_new_tokens: number;
      readonly do_sample: false;
      readonly streamer: BaseStreamer;
      readonly stopping_criteria: InterruptableStoppingCriteria;
    }): Promise<unknown>;
    dispose(): Promise<unknown>;
  }
  export const AutoModelForCausalLM: {
    from_pretrained(
      path: string,
      options: {
        readonly dtype: string;
        readonly device: "cpu";
        readonly local_files_only: true;
        readonly session_options: Readonly<Record<string, unknown>>;
      },
    ): Promise<Model>;
  };
  export const env: { allowRemoteModels: boolean; localModelPath: string };
}
