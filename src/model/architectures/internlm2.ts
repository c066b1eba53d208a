/** InternLM 2 and 2.5: llama with names of its own, and q, k and v packed by KV head. */
import { parse, z } from "../../core/schema.ts";
import { wholeTensor } from "../decoder-description.ts";
import type { Architecture } from "./architecture.ts";
import { configPath, llamaKeys } from "./llama-config.ts";
import { describeLlamaDecoder } from "./llama-decoder.ts";
import { gatedMlp, groupedQkv, linear, plainEmbedding, rmsNorm } from "./parts.ts";

const schema = z.looseObject({ ...llamaKeys, bias: z.boolean().default(false) });

const MLP_NAMES = { gateUp: ["w1", "w3"], down: "w2" } as const;

export const internlm2: Architecture = {
  names: ["InternLM2ForCausalLM"],
  describe(folder) {
    const config = parse(schema, folder.config, { code: "invalid_model", what: configPath(folder) });
    const { bias, intermediate_size: intermediateSize, rms_norm_eps: epsilon } = config;
    const decoder = describeLlamaDecoder(folder, config, {
      layer: ({ prefix, activation, ...dims }) => {
        const { hiddenSize, numHeads, headDim } = dims;
        const mlp = `${prefix}.feed_forward`;
        return {
          inputNorm: rmsNorm(`${prefix}.attention_norm`, hiddenSize, epsilon),
          qkv: groupedQkv(`${prefix}.attention.wqkv`, dims, bias),
          output: linear("output", numHeads * headDim, { [`${prefix}.attention.wo`]: hiddenSize }, bias),
          mlpNorm: rmsNorm(`${prefix}.ffn_norm`, hiddenSize, epsilon),
          mlp: gatedMlp(mlp, hiddenSize, intermediateSize, { activation, names: MLP_NAMES }),
        };
      },
    });
    const embedding = "model.tok_embeddings.weight";
    const head = config.tie_word_embeddings ? embedding : "output.weight";
    return {
      ...decoder,
      embedding: plainEmbedding(embedding),
      head: { ...decoder.head, weight: [wholeTensor(head, decoder.vocabSize)] },
    };
  },
};
