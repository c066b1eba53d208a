/**
 * The adapter for prom-client: metrics by kind, in Prometheus' text format. What is measured and under which names is
 * written in metrics.ts and its neighbours.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** Values of a metric's labels, by name. */
export type Labels = Readonly<Record<string, string | number>>;
/** Gives one value of a metric while it is collected. */
export type Report = (value: number, labels?: Labels) => void;

/** What every metric has. */
export interface MetricSpec {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly string[];
}

/** Metrics that are rendered together, each with the registry's own labels beside its own. */
export class MetricRegistry {
  readonly #registry = new Registry();

  constructor(labels: Labels = {}) {
    this.#registry.setDefaultLabels(labels);
  }

  /** Value of the Content-Type header for {@link render}. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Every metric in Prometheus' text format. */
  render(): Promise<string> {
    return this.#registry.metrics();
  }

  /** A momentary value; `collect` is asked at every scrape. */
  gauge(spec: MetricSpec, collect: (report: Report) => void): void {
    new Gauge({
      ...this.#configure(spec),
      collect(): void {
        this.reset();
        collect((value, labels = {}) => this.set(labels, value));
      },
    });
  }

  /** A total that is counted elsewhere; a scrape takes it over. */
  total(spec: MetricSpec, collect: (report: Report) => void): void {
    new Counter({
      ...this.#configure(spec),
      collect(): void {
        this.reset();
        collect((value, labels = {}) => this.inc(labels, value));
      },
    });
  }

  /** A total that is counted here: call the result to count one more. */
  counter(spec: MetricSpec): (labels?: Labels) => void {
    const counter = new Counter(this.#configure(spec));
    return (labels = {}) => counter.inc(labels);
  }

  /** A distribution over `buckets` (upper bounds); call the result with each value. */
  histogram(spec: MetricSpec & { readonly buckets: readonly number[] }): (value: number) => void {
    const histogram = new Histogram({ ...this.#configure(spec), buckets: [...spec.buckets] });
    return (value) => histogram.observe(value);
  }

  #configure({ name, help, labelNames = [] }: MetricSpec): {
    readonly name: string;
    readonly help: string;
    readonly labelNames: string[];
    readonly registers: Registry[];
  } {
    return { name, help, labelNames: [...labelNames], registers: [this.#registry] };
  }
}

/** Texts of registries that have the same metrics with other labels: each metric's values together, under one head. */
export function joinFamilies(texts: readonly string[]): string {
  const families = new Map<string, string>();
  for (const family of texts.flatMap((text) => text.split(/\n(?=# HELP )/))) {
    const lines = family.trimEnd().split("\n");
    const head = lines.slice(0, 2).join("\n");
    const values = lines.slice(2).map((line) => `\n${line}`);
    families.set(head, (families.get(head) ?? "") + values.join(""));
  }
  return [...families].map(([head, values]) => `${head}${values}\n`).join("\n");
}
