/**
 * Where a sorted list would first reach a mass, without sorting it: quickselect on keys (Hoare, "Find", 1961; three-way
 * partition after Dijkstra) that follows the cumulative mass instead of a rank. Expected time linear in the list.
 */

/** The head of the sorted list: all entries with a smaller key, and the first `numTies` of those with this key. */
export interface MassCut {
  readonly key: number;
  readonly numTies: number;
}

/**
 * The shortest head of the list, sorted by key ascending, whose mass is at least `target`; it includes the entry that
 * crosses. When the whole list does not reach it, all of it.
 *
 * @param keys [count], no NaN; permuted
 * @param masses [count], not negative; permuted alike
 */
export function selectMass(keys: Float64Array, masses: Float64Array, count: number, target: number): MassCut {
  let low = 0;
  let high = count;
  let scramble = 1; // a linear congruential sequence, the same in every call (Numerical Recipes, 1992)
  let massBelow = 0; // mass of the entries left of `low`: all in the head
  // Entries from this key on are known not to be needed. Sums of the same entries in another order differ in the last
  // bits, so the search may end here without having crossed the target again.
  let ceiling = Number.POSITIVE_INFINITY;
  while (high > low) {
    // Scrambled places: the first, middle and last entry are all extremes where logits rise and fall along the ids.
    scramble = (Math.imul(scramble, 1664525) + 1013904223) >>> 0;
    const place = low + Math.floor((scramble / 2 ** 32) * (high - low));
    const pivot = medianOfThree(keys[place]!, keys[(low + place) >> 1]!, keys[(place + high) >> 1]!);
    const { less, greater } = partition(keys, masses, low, high, pivot);
    const massLess = sum(masses, low, less);
    if (less > low && massBelow + massLess >= target) {
      high = less;
      ceiling = pivot;
      continue;
    }
    let mass = massBelow + massLess;
    for (let i = less; i < greater; i++) {
      mass += masses[i]!;
      if (mass >= target) return { key: pivot, numTies: i - less + 1 };
    }
    massBelow = mass;
    low = greater;
  }
  return { key: ceiling, numTies: 0 };
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
