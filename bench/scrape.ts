/** Reads the metrics of a server that runs elsewhere. */

/** @returns the value of a metric at this moment, of its first line; NaN for one that is not there. */
export async function scrape(url: string): Promise<(name: string) => number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return (name) => Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
}
