/** A chart with lines as an SVG file, readable on light and dark pages. */

/** A line of a chart. */
export interface Series {
  readonly name: string;
  /** Of one colour with those of the same group; `isDashed` tells them apart. */
  readonly color: string;
  readonly isDashed?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** What a chart shows. */
export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
  /** Steps of the x axis double instead of adding. */
  readonly isLogarithmic: boolean;
}

/** Colours that can be told apart, also without seeing red or green. */
export const COLORS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"] as const;

const WIDTH = 720;
const HEIGHT = 400;
const FRAME = { left: 64, top: 40, right: 190, bottom: 48 };
const NUM_TICKS = 5;

/** The file's text. */
export function lineChart(chart: Chart): string {
  const { title, xLabel, yLabel, series } = chart;
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const maxY = niceCeiling(Math.max(...series.flatMap(({ points }) => points.map(([, y]) => y))));
  const width = WIDTH - FRAME.left - FRAME.right;
  const height = HEIGHT - FRAME.top - FRAME.bottom;
  const place = (x: number): number => (chart.isLogarithmic ? Math.log2(x) : x);
  const [first, last] = [place(xs[0]!), place(xs.at(-1)!)];
  const atX = (x: number): number => FRAME.left + (width * (place(x) - first)) / Math.max(last - first, 1e-9);
  const atY = (y: number): number => FRAME.top + height * (1 - y / maxY);
  const ticks = Array.from({ length: NUM_TICKS + 1 }, (_, index) => (maxY * index) / NUM_TICKS);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="${xmlText(title)}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(FRAME.left, 22, title, 'font-size="14" font-weight="600"'),
    ...ticks.flatMap((y) => [
      `<path d="M${FRAME.left} ${fixed(atY(y))}h${width}" stroke="#dddddd"/>`,
      text(FRAME.left - 8, atY(y) + 4, String(Number(y.toPrecision(3))), 'text-anchor="end"'),
    ]),
    ...xs.map((x) => text(atX(x), FRAME.top + height + 18, String(x), 'text-anchor="middle"')),
    text(FRAME.left + width / 2, HEIGHT - 10, xLabel, 'text-anchor="middle"'),
    `<g transform="translate(14 ${FRAME.top + height / 2}) rotate(-90)">${text(0, 0, yLabel, 'text-anchor="middle"')}</g>`,
    ...series.flatMap(({ name, color, isDashed, points }, index) => {
      const dash = isDashed === true ? ' stroke-dasharray="6 4"' : "";
      const line = points.map(([x, y]) => `${fixed(atX(x))} ${fixed(atY(y))}`).join("L");
      const legendY = FRAME.top + 8 + index * 20;
      const legendX = WIDTH - FRAME.right + 16;
      return [
        `<path d="M${line}" fill="none" stroke="${color}" stroke-width="2"${dash}/>`,
        ...points.map(
          ([x, y]) => `<circle cx="${fixed(atX(x))}" cy="${fixed(atY(y))}" r="3" fill="${color}"/>`,
        ),
        `<path d="M${legendX} ${legendY}h24" stroke="${color}" stroke-width="2"${dash}/>`,
        text(legendX + 30, legendY + 4, name),
      ];
    }),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

function text(x: number, y: number, words: string, attributes = ""): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" fill="#222222" ${attributes}>${xmlText(words)}</text>`;
}

function xmlText(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

function fixed(value: number): string {
  return String(Number(value.toFixed(1)));
}

/** The next of 1, 2, 2.5, 5 and 10 times a power of ten. */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 1.5, 2, 2.5, 4, 5, 7.5, 10].find((step) => step * power >= value)!;
}
