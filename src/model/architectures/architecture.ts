/** What a model family is to the compiler. */
import type { DecoderDescription } from "../decoder-description.ts";
import type { ModelFolder } from "../model-folder.ts";

/** One model family: its names in config.json and how to describe a model of it. */
export interface Architecture {
  /** Values of `architectures[0]` that it answers to. */
  readonly names: readonly string[];
  /**
   * @throws TroupeError `invalid_model` for missing or contradicting settings, `unsupported_model` for ones that Troupe
   * cannot compute.
   */
  describe(folder: ModelFolder): DecoderDescription;
}
