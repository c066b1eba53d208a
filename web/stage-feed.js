/** Server-sent events of /stage, read only while the stage can be seen. */
const RETRY_MS = 3_000;

export class StageFeed {
  #url;
  #onFrame;
  #onState;
  #source = null;
  #timer = null;
  #isOnScreen = false;

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

  #update() {
    const isWanted = this.#isOnScreen && !document.hidden;
    if (isWanted && this.#source === null) this.#open();
    if (!isWanted) this.#close();
  }

  #open() {
    clearTimeout(this.#timer);
    let isFirst = true;
    this.#source = new EventSource(this.#url);
    this.#source.onmessage = ({ data }) => {
      this.#onFrame(JSON.parse(data), isFirst);
      if (isFirst) this.#onState("open");
      isFirst = false;
    };
    // EventSource would try again by itself, but not after a refusal
    this.#source.onerror = () => {
      this.#close();
      this.#onState("lost");
      this.#timer = setTimeout(() => this.#update(), RETRY_MS);
    };
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }
}
