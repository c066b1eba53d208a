/** Server-sent events of /stage, read only while the stage can be seen. */
const RETRY_MS = 3_000;

export class StageFeed {
  #url;
  #onFrame;
  #onState;
  #key = null;
  #model = null;
  #abort = null;
  #timer = null;
  #isOnScreen = false;
  #isStarted = false;

  /**
   * @param stage the element that must be visible
   * @param onFrame called with a frame and whether it is the first, which holds everything
   * @param onState called with `open` or `lost`
   */
  constructor(url, stage, onFrame, onState) {
    this.#url = url;
    this.#onFrame = onFrame;
    this.#onState = onState;
    document.addEventListener("visibilitychange", () => this.#update());
    new IntersectionObserver((entries) => {
      this.#isOnScreen = entries.at(-1).isIntersecting;
      this.#update();
    }).observe(stage);
  }

  /**
   * @param key an API key, or null
   * @param model whose engine is watched
   */
  start(key, model) {
    this.#key = key;
    this.#model = model;
    this.#isStarted = true;
    this.#close();
    this.#update();
  }

  #update() {
    const isWanted = this.#isStarted && this.#isOnScreen && !document.hidden;
    if (isWanted && this.#abort === null) this.#open();
    if (!isWanted) this.#close();
  }

  async #open() {
    clearTimeout(this.#timer);
    const abort = new AbortController();
    this.#abort = abort;
    try {
      await this.#read(abort.signal);
    } catch {
      // refused, cut, or left; what follows is the same
    }
    if (abort !== this.#abort) return;
    this.#abort = null;
    this.#onState("lost");
    this.#timer = setTimeout(() => this.#update(), RETRY_MS);
  }

  /** fetch instead of EventSource, which can send no key. */
  async #read(signal) {
    const headers = this.#key === null ? {} : { authorization: `Bearer ${this.#key}` };
    const url = `${this.#url}?${new URLSearchParams({ model: this.#model })}`;
    const response = await fetch(url, { headers, signal });
    if (!response.ok) return;
    let pending = "";
    let isFirst = true;
    for await (const text of chunks(response.body.pipeThrough(new TextDecoderStream()))) {
      const events = (pending + text).split("\n\n");
      pending = events.pop();
      for (const event of events) {
        if (!event.startsWith("data: ")) continue;
        this.#onFrame(JSON.parse(event.slice("data: ".length)), isFirst);
        if (isFirst) this.#onState("open");
        isFirst = false;
      }
    }
  }

  #close() {
    clearTimeout(this.#timer);
    const abort = this.#abort;
    this.#abort = null;
    abort?.abort();
  }
}

/** Not every browser iterates a stream by itself. */
async function* chunks(stream) {
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}
