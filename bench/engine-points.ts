/** What bench/engine.ts measures: points by name, `16x512` for 16 streams at context 512, `p512` for a prompt of 512. */

/** So many streams that decode behind so many tokens. */
export interface DecodePoint {
  readonly numStreams: number;
  readonly contextLen: number;
}

/** Points to measure. */
export interface Points {
  readonly decode: readonly DecodePoint[];
  /** Lengths of prompts. */
  readonly prefill: readonly number[];
}

const cross = (streams: readonly number[], contexts: readonly number[]): string[] =>
  contexts.flatMap((context) => streams.map((num) => `${num}x${context}`));

/** Sets of points by name. */
export const POINT_SETS: Readonly<Record<string, readonly string[]>> = {
  quick: ["p512", ...cross([1, 16, 32], [64])],
  usual: ["p128", "p512", "p2048", ...cross([1, 4, 8, 16, 32, 64], [64]), ...cross([1, 4, 8, 16, 32], [512])],
  long: [...cross([64], [512]), ...cross([1, 4, 8, 16], [2048])],
  huge: cross([32, 64], [2048]),
};

/** @returns undefined when one of them is no point */
export function parsePoints(texts: readonly string[]): Points | undefined {
  const decode: DecodePoint[] = [];
  const prefill: number[] = [];
  for (const text of texts.flatMap((name) => POINT_SETS[name] ?? [name])) {
    const [, streams, context, prompt] = /^(?:([1-9]\d*)x([1-9]\d*)|p([1-9]\d*))$/.exec(text) ?? [];
    if (prompt !== undefined) prefill.push(Number(prompt));
    else if (streams !== undefined) decode.push({ numStreams: Number(streams), contextLen: Number(context) });
    else return undefined;
  }
  return { decode, prefill };
}

/** `16x512` */
export function pointName({ numStreams, contextLen }: DecodePoint): string {
  return `${numStreams}x${contextLen}`;
}

/** The points of each context, most streams first: prompts are computed once, then streams leave. */
export function byContext(points: readonly DecodePoint[]): [contextLen: number, streams: number[]][] {
  const groups = Map.groupBy(points, ({ contextLen }) => contextLen);
  return [...groups].map(([contextLen, members]) => [
    contextLen,
    members.map(({ numStreams }) => numStreams).sort((a, b) => b - a),
  ]);
}
