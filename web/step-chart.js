/** The time of the last steps as stacked bars, newest at the right: execute, sample, and the rest. */
export const STEP_PARTS = ["execute", "sample", "rest"];

const PADDING_PX = 8;
const BAR_PX = 4;
const GAP_PX = 1;
const LABEL_PX = 16;

export class StepChart {
  #canvas;
  #readColours;
  /** [execute ms, sample ms, rest ms], oldest first. */
  #steps = [];

  /** @param readColours gives the colours of STEP_PARTS, and then that of the label */
  constructor(canvas, readColours) {
    this.#canvas = canvas;
    this.#readColours = readColours;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** @param steps [number, total ms, execute ms, sample ms, tokens] */
  update(steps, isFirst) {
    if (isFirst) this.#steps = [];
    for (const [, total, execute, sample] of steps)
      this.#steps.push([execute, sample, Math.max(0, total - execute - sample)]);
    this.#steps = this.#steps.slice(-this.#numBars);
    this.draw();
  }

  /** Mean ms of each part over the steps that are shown; null without any. */
  get means() {
    const { length } = this.#steps;
    if (length === 0) return null;
    return STEP_PARTS.map((_, part) => this.#steps.reduce((sum, step) => sum + step[part], 0) / length);
  }

  get #numBars() {
    const width = this.#canvas.clientWidth || 400;
    return Math.max(1, Math.floor((width - 2 * PADDING_PX) / (BAR_PX + GAP_PX)));
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (width === 0) return;
    const scale = window.devicePixelRatio || 1;
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    const context = this.#canvas.getContext("2d");
    context.scale(scale, scale);
    const colours = this.#readColours();
    const shown = this.#steps.slice(-this.#numBars);
    const totals = shown.map((step) => step.reduce((sum, ms) => sum + ms, 0));
    // one slow step shall not flatten the others
    const top = niceCeiling((totals.toSorted((a, b) => a - b)[Math.floor(totals.length * 0.97)] ?? 1) * 1.1);
    const room = height - 2 * PADDING_PX - LABEL_PX;
    const pixels = room / top;
    const floor = height - PADDING_PX;
    context.fillStyle = colours[STEP_PARTS.length];
    context.font = "11px system-ui, sans-serif";
    context.fillText(`${top} ms`, PADDING_PX, PADDING_PX + 9);
    shown.forEach((step, index) => {
      const x = width - PADDING_PX - (shown.length - index) * (BAR_PX + GAP_PX);
      let y = floor;
      step.forEach((ms, part) => {
        const high = Math.min(ms * pixels, y - (floor - room));
        context.fillStyle = colours[part];
        context.fillRect(x, y - high, BAR_PX, high);
        y -= high;
      });
    });
  }
}

/** 1, 2 or 5 times a power of ten. */
function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 0.1)));
  return [1, 2, 5, 10].map((factor) => Number((factor * power).toPrecision(1))).find((nice) => nice >= value);
}
