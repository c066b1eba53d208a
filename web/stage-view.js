/** Shows frames of the stage: figures, page map, step times, cast. */
import { byId, element } from "./dom.js";
import { PAGE_STATES, PageMap } from "./page-map.js";
import { STEP_PARTS, StepChart } from "./step-chart.js";

const FIGURES = ["Running", "Waiting", "Tokens/s", "Prefix hits"];
const RATE_WINDOW_MS = 1_000;
const QUIET_MS = 700;

export class StageView {
  #figures = new Map();
  #pageCounts = [];
  #stepMeans = [];
  #actors = new Map();
  #map;
  #chart;
  /** Frames of the last second, oldest first: rates are taken over them. */
  #recent = [];
  #timer = null;

  constructor() {
    for (const name of FIGURES) {
      const value = element("dd", {}, "–");
      this.#figures.set(name, value);
      byId("figures").append(element("div", {}, element("dt", {}, name), value));
    }
    const pageSwatches = legend(byId("pages-legend"), PAGE_STATES, this.#pageCounts);
    const stepSwatches = legend(byId("steps-legend"), STEP_PARTS, this.#stepMeans);
    const label = byId("steps-legend");
    this.#map = new PageMap(byId("page-map"), () => pageSwatches.map(colourOf));
    this.#chart = new StepChart(byId("step-chart"), () => [
      ...stepSwatches.map(colourOf),
      getComputedStyle(label).color,
    ]);
  }

  /** @param isFirst the frame holds everything */
  show(frame, isFirst) {
    this.#showFrame(frame, isFirst);
    // without news no frame comes, and rates would stay as they were
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#recent = [frame];
      this.#showFrame({ ...frame, at_ms: frame.at_ms + RATE_WINDOW_MS, pages: [], steps: [] }, false);
    }, QUIET_MS);
  }

  #showFrame(frame, isFirst) {
    if (isFirst) this.#recent = [];
    this.#recent.push(frame);
    while (this.#recent.length > 2 && this.#recent[1].at_ms < frame.at_ms - RATE_WINDOW_MS)
      this.#recent.shift();
    this.#showFigures(frame);
    this.#showPages(frame);
    this.#showSteps(frame, isFirst);
    this.#showCast(frame);
  }

  /** Colours have changed. */
  redraw() {
    this.#map.draw();
    this.#chart.draw();
  }

  #showFigures(frame) {
    const before = this.#recent[0];
    const seconds = (frame.at_ms - before.at_ms) / 1000;
    const numTokens = frame.counters.generation_tokens - before.counters.generation_tokens;
    const { prefix_cache_queries: queries, prefix_cache_hits: hits } = frame.counters;
    this.#figures.get("Running").textContent = frame.num_running;
    this.#figures.get("Waiting").textContent = frame.num_waiting;
    this.#figures.get("Tokens/s").textContent =
      seconds > 0 ? Math.max(0, Math.round(numTokens / seconds)) : 0;
    this.#figures.get("Prefix hits").textContent =
      queries > 0 ? `${Math.round((100 * hits) / queries)}%` : "–";
  }

  #showPages({ num_pages: numPages, pages }) {
    this.#map.update(numPages, pages);
    const { counts, pagesPerCell, numShown } = this.#map;
    counts.forEach((count, state) => {
      this.#pageCounts[state].textContent = count.toLocaleString("en");
    });
    const parts = PAGE_STATES.map((state, index) => `${counts[index]} ${state}`).join(", ");
    const cell = pagesPerCell === 1 ? "" : ` One cell is ${pagesPerCell} pages.`;
    byId("pages-text").textContent = `${numPages} pages: ${parts}.${cell}`;
    const [shown, all] = [numShown, numPages].map((number) => number.toLocaleString("en"));
    const which =
      numShown === numPages
        ? `All ${all} pages.`
        : `The first ${shown} of ${all}; the others were not used yet.`;
    byId("pages-note").textContent = `${which}${cell}`;
  }

  #showSteps({ steps }, isFirst) {
    if (steps.length === 0 && !isFirst) return;
    this.#chart.update(steps, isFirst);
    const { means } = this.#chart;
    STEP_PARTS.forEach((_, part) => {
      this.#stepMeans[part].textContent = means === null ? "–" : `${means[part].toFixed(2)} ms`;
    });
    const text =
      means === null ? "No step yet" : STEP_PARTS.map((name, part) => `${name} ${means[part].toFixed(2)}`);
    byId("steps-text").textContent = `Mean of the last steps in milliseconds: ${text}.`;
  }

  #showCast({ at_ms: atMs, actors }) {
    const names = new Set(actors.map(({ name }) => name));
    for (const [name, row] of this.#actors) {
      if (names.has(name)) continue;
      row.node.remove();
      this.#actors.delete(name);
    }
    for (const actor of actors) {
      const row = this.#actors.get(actor.name) ?? this.#addActor(actor.name);
      const before = this.#recent[0].actors.find(({ name }) => name === actor.name);
      const elapsedMs = atMs - this.#recent[0].at_ms;
      const isSame = before !== undefined && before.incarnation === actor.incarnation;
      const busy = isSame && elapsedMs > 0 ? Math.min(1, (actor.busy_ms - before.busy_ms) / elapsedMs) : 0;
      const percent = Math.round(Math.max(0, busy) * 100);
      row.bar.style.width = `${percent}%`;
      row.busy.textContent = actor.state === "running" ? `${percent}%` : actor.state;
      row.busy.classList.toggle("trouble", actor.state !== "running");
      row.mailbox.textContent = actor.num_messages;
      row.handled.textContent = actor.num_handled.toLocaleString("en");
      row.restarts.textContent = actor.num_restarts;
    }
  }

  #addActor(name) {
    const cell = () => element("td", { className: "number" });
    const row = {
      bar: element("span"),
      busy: element("span", { className: "percent" }),
      mailbox: cell(),
      handled: cell(),
      restarts: cell(),
    };
    const busy = element(
      "div",
      { className: "busy" },
      element("div", { className: "bar" }, row.bar),
      row.busy,
    );
    row.node = element(
      "tr",
      {},
      element("th", { scope: "row" }, name),
      element("td", {}, busy),
      row.mailbox,
      row.handled,
      row.restarts,
    );
    byId("cast").append(row.node);
    this.#actors.set(name, row);
    return row;
  }
}

/** Fills a legend; the elements of its figures go to `values`. @returns the swatches */
function legend(list, names, values) {
  return names.map((name) => {
    const swatch = element("span", { className: `swatch ${name}` });
    const value = element("b", {}, "–");
    values.push(value);
    list.append(element("li", {}, swatch, `${name} `, value));
    return swatch;
  });
}

function colourOf(swatch) {
  return getComputedStyle(swatch).backgroundColor;
}
