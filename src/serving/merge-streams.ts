/** Several async streams as one, each item with the number of its stream. */

/** An item and where it came from. */
export interface MergedItem<T> {
  readonly source: number;
  readonly item: T;
}

type Arrival<T> =
  | { readonly source: number; readonly result: IteratorResult<T> }
  | { readonly source: number; readonly error: unknown };

/**
 * Yields items as they come. A stream is asked for its next item only after the last one was taken, so a slow consumer
 * pauses all of them. When one throws, so does the merged stream; it never returns the others: the caller aborts them.
 *
 * Promise.race over all streams would leave one more reaction on every slow stream's promise for each item of a fast
 * one; the list of arrivals does not grow.
 */
export async function* mergeStreams<T>(
  iterators: readonly AsyncIterator<T>[],
): AsyncGenerator<MergedItem<T>> {
  const arrivals: Arrival<T>[] = [];
  let wake: (() => void) | null = null;
  const arrive = (arrival: Arrival<T>): void => {
    arrivals.push(arrival);
    wake?.();
  };
  const ask = (source: number): void => {
    iterators[source]!.next().then(
      (result) => arrive({ source, result }),
      (error: unknown) => arrive({ source, error }),
    );
  };
  for (const source of iterators.keys()) ask(source);
  for (let numOpen = iterators.length; numOpen > 0; ) {
    const arrival = arrivals.shift();
    if (arrival === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    if ("error" in arrival) throw arrival.error;
    if (arrival.result.done === true) {
      numOpen--;
      continue;
    }
    yield { source: arrival.source, item: arrival.result.value };
    ask(arrival.source);
  }
}
