/** The mean of the last values, however many there have been. */
export class MovingMean {
  readonly #values: Float64Array;
  #numValues = 0;
  #sum = 0;

  /** @param size values that count */
  constructor(size: number) {
    this.#values = new Float64Array(size);
  }

  /** 0 before the first value. */
  get mean(): number {
    return this.#numValues === 0 ? 0 : this.#sum / Math.min(this.#numValues, this.#values.length);
  }

  add(value: number): void {
    const place = this.#numValues % this.#values.length;
    this.#sum += value - this.#values[place]!;
    this.#values[place] = value;
    this.#numValues++;
  }
}
