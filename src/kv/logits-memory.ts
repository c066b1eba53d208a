/**
 * The buffer that logits travel in from the ranks to the sampler: float32 [maxRows, vocabSize] in a SharedArrayBuffer.
 * Row r of a step is the one its plan numbers r; the next step overwrites it.
 */

/** Plain data that can be sent to a worker. */
export interface LogitsMemory {
  readonly maxRows: number;
  readonly vocabSize: number;
  readonly buffer: SharedArrayBuffer;
}

/** Allocates a zeroed buffer. */
export function createLogitsMemory(maxRows: number, vocabSize: number): LogitsMemory {
  const bytes = maxRows * vocabSize * Float32Array.BYTES_PER_ELEMENT;
  return { maxRows, vocabSize, buffer: new SharedArrayBuffer(bytes) };
}

/** A view of row `row`. [vocabSize] */
export function logitsRow(memory: LogitsMemory, row: number): Float32Array {
  const rowBytes = memory.vocabSize * Float32Array.BYTES_PER_ELEMENT;
  return new Float32Array(memory.buffer, row * rowBytes, memory.vocabSize);
}
