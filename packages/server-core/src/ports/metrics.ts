/** A sink for figures; no metrics library is imported. Names are `im_…`, units in the name. */
export interface Metrics {
  count(name: string, by?: number, labels?: Readonly<Record<string, string>>): void
  gauge(name: string, value: number, labels?: Readonly<Record<string, string>>): void
  observe(name: string, value: number, labels?: Readonly<Record<string, string>>): void
}

export const noMetrics: Metrics = { count() {}, gauge() {}, observe() {} }
