/**
 * Where a sorted list would first reach a mass, without sorting it: a histogram over the keys finds the narrow range of
 * keys where the mass is crossed, quickselect the entry in it (Hoare, "Find", 1961; three-way partition after Dijkstra).
 * Time linear in the list.
 */

const NUM_BUCKETS = 1024;

/** The head of the sorted list: all entries with a smaller key, and the first `numTies` of those with this key. */
export interface MassCut {
  readonly key: number;
  readonly numTies: number;
}

/** Scratch for selections; reused from row to row. */
export class MassSelector {
  readonly #bucketMasses = new Float64Array(NUM_BUCKETS);
  /** Entries of the bucket where the target is crossed. [capacity] */
  readonly #keys: Float64Array;
  readonly #masses: Float64Array;

  /** @param capacity the longest list */
  constructor(capacity: number) {
    this.#keys = new Float64Array(capacity);
    this.#masses = new Float64Array(capacity);
  }

  /**
   * The shortest head of the list, sorted by key ascending (of equal keys in the list's order), whose mass is at least
   * `target`; it includes the entry that crosses. When the whole list does not reach it, all of it.
   *
   * @param keys finite [count]
   * @param masses not negative; equal for equal keys, else ties may give an entry more or fewer [count]
   */
  cut(keys: Float64Array, masses: Float64Array, count: number, target: number): MassCut {
    const { lowest, highest } = rangeOf(keys, count);
    // Monotone in the key, so equal keys share a bucket; a list of one key, or too narrow a range, has bucket 0 only.
    const bucketsPerKey = highest > lowest ? (NUM_BUCKETS - 1) / (highest - lowest) : 0;
    const perKey = Number.isFinite(bucketsPerKey) ? bucketsPerKey : 0;
    this.#fillBuckets(keys, masses, count, lowest, perKey);
    let before = 0;
    let bucket = 0;
    while (bucket < NUM_BUCKETS && before + this.#bucketMasses[bucket]! < target) {
      before += this.#bucketMasses[bucket++]!;
    }
    const inside = this.#take(keys, masses, count, lowest, perKey, bucket);
    if (inside === 0) return { key: highest, numTies: count };
    return selectMass(this.#keys, this.#masses, inside, target - before);
  }

  #fillBuckets(
    keys: Float64Array,
    masses: Float64Array,
    count: number,
    lowest: number,
    perKey: number,
  ): void {
    const bucketMasses = this.#bucketMasses.fill(0);
    for (let i = 0; i < count; i++) bucketMasses[((keys[i]! - lowest) * perKey) | 0]! += masses[i]!;
  }

  /** Copies the entries of one bucket; returns their number. */
  #take(
    keys: Float64Array,
    masses: Float64Array,
    count: number,
    lowest: number,
    perKey: number,
    bucket: number,
  ): number {
    let inside = 0;
    for (let i = 0; i < count; i++) {
      if ((((keys[i]! - lowest) * perKey) | 0) !== bucket) continue;
      this.#keys[inside] = keys[i]!;
      this.#masses[inside++] = masses[i]!;
    }
    return inside;
  }
}

function rangeOf(keys: Float64Array, count: number): { lowest: number; highest: number } {
  let lowest = Number.POSITIVE_INFINITY;
  let highest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < count; i++) {
    lowest = Math.min(lowest, keys[i]!);
    highest = Math.max(highest, keys[i]!);
  }
  return { lowest, highest };
}

/** The cut by quickselect, which permutes keys and masses alike. All of the list when it never reaches the target. */
function selectMass(keys: Float64Array, masses: Float64Array, count: number, target: number): MassCut {
  let low = 0;
  let high = count;
  let scramble = 1; // a linear congruential sequence, the same in every call (Numerical Recipes, 1992)
  let massBelow = 0; // mass of the entries left of `low`: all in the head
  let last: MassCut | null = null;
  while (high > low) {
    // Scrambled places: the first, middle and last entry are all extremes where logits rise and fall along the ids.
    scramble = (Math.imul(scramble, 1664525) + 1013904223) >>> 0;
    const place = low + Math.floor((scramble / 2 ** 32) * (high - low));
    const pivot = medianOfThree(keys[place]!, keys[(low + place) >> 1]!, keys[(place + high) >> 1]!);
    const { less, greater } = partition(keys, masses, low, high, pivot);
    const massLess = sum(masses, low, less);
    if (less > low && massBelow + massLess >= target) {
      high = less;
      continue;
    }
    let mass = massBelow + massLess;
    for (let i = less; i < greater; i++) {
      mass += masses[i]!;
      if (mass >= target) return { key: pivot, numTies: i - less + 1 };
    }
    // Sums of the same entries in another order differ in the last bits, so the search may end here without having
    // crossed the target again: the head is then everything up to the last key it came past.
    last = { key: pivot, numTies: greater - less };
    massBelow = mass;
    low = greater;
  }
  return last!;
}

/** Orders keys[low, high) as smaller | equal | greater than the pivot. */
function partition(
  keys: Float64Array,
  masses: Float64Array,
  low: number,
  high: number,
  pivot: number,
): { less: number; greater: number } {
  let less = low;
  let greater = high;
  for (let i = low; i < greater; ) {
    const key = keys[i]!;
    if (key < pivot) swap(keys, masses, i++, less++);
    else if (key > pivot) swap(keys, masses, i, --greater);
    else i++;
  }
  return { less, greater };
}

function swap(keys: Float64Array, masses: Float64Array, a: number, b: number): void {
  const key = keys[a]!;
  const mass = masses[a]!;
  keys[a] = keys[b]!;
  masses[a] = masses[b]!;
  keys[b] = key;
  masses[b] = mass;
}

function sum(values: Float64Array, from: number, to: number): number {
  let total = 0;
  for (let i = from; i < to; i++) total += values[i]!;
  return total;
}

function medianOfThree(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
