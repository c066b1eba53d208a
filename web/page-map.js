/**
 * The KV pages as a picture: one cell for each, or for a few neighbours when there are very many. The engine hands out
 * low numbers first, so only the beginning is shown until more of it is in use; the cells get smaller then.
 */
export const PAGE_STATES = ["free", "cached", "used", "shared"];

const MAX_CELLS = 4096;
const MIN_SHOWN = 512;
/** [cells up to, pixels from one to the next] */
const PITCHES = [
  [512, 10],
  [1024, 8],
  [2048, 6],
  [MAX_CELLS, 5],
];
const GAP_PX = 1;
const PADDING_PX = 8;

export class PageMap {
  #canvas;
  #colours = [];
  /** One of PAGE_STATES by index. */
  #pages = new Uint8Array(0);
  /** Pages from here on were never seen in use. */
  #numTouched = 0;
  #readColours;

  /** @param readColours gives the colour of each of PAGE_STATES */
  constructor(canvas, readColours) {
    this.#canvas = canvas;
    this.#readColours = readColours;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** @param runs [first page, number, state] */
  update(numPages, runs) {
    if (this.#pages.length !== numPages) this.#pages = new Uint8Array(numPages);
    for (const [first, number, state] of runs) {
      this.#pages.fill(state, first, first + number);
      if (state > 0) this.#numTouched = Math.max(this.#numTouched, first + number);
    }
    this.draw();
  }

  /** Pages in each state. */
  get counts() {
    const counts = PAGE_STATES.map(() => 0);
    for (const state of this.#pages) counts[state]++;
    return counts;
  }

  /** Pages that are shown; those behind them were never in use. */
  get numShown() {
    let numShown = MIN_SHOWN;
    while (numShown < this.#numTouched) numShown *= 2;
    return Math.min(numShown, this.#pages.length);
  }

  /** Pages that one cell stands for. */
  get pagesPerCell() {
    return Math.max(1, Math.ceil(this.numShown / MAX_CELLS));
  }

  draw() {
    const width = this.#canvas.clientWidth;
    if (width === 0 || this.#pages.length === 0) return;
    const perCell = this.pagesPerCell;
    const numCells = Math.ceil(this.numShown / perCell);
    const [, pitch] = PITCHES.find(([most]) => numCells <= most);
    const columns = Math.max(1, Math.floor((width - 2 * PADDING_PX + GAP_PX) / pitch));
    const rows = Math.ceil(numCells / columns);
    const height = Math.ceil(rows * pitch - GAP_PX + 2 * PADDING_PX);
    const scale = window.devicePixelRatio || 1;
    const wanted = [Math.round(width * scale), Math.round(height * scale)];
    if (this.#canvas.width !== wanted[0] || this.#canvas.height !== wanted[1]) {
      [this.#canvas.width, this.#canvas.height] = wanted;
      this.#canvas.style.height = `${height + 2}px`;
    }
    this.#colours = this.#readColours();
    const context = this.#canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    for (let cell = 0; cell < numCells; cell++) {
      context.fillStyle = this.#colours[this.#stateOfCell(cell, perCell)];
      const x = PADDING_PX + (cell % columns) * pitch;
      const y = PADDING_PX + Math.floor(cell / columns) * pitch;
      context.fillRect(x, y, pitch - GAP_PX, pitch - GAP_PX);
    }
  }

  /** The busiest of a cell's pages. */
  #stateOfCell(cell, perCell) {
    if (perCell === 1) return this.#pages[cell];
    let state = 0;
    const end = Math.min(this.#pages.length, (cell + 1) * perCell);
    for (let page = cell * perCell; page < end; page++) state = Math.max(state, this.#pages[page]);
    return state;
  }
}
