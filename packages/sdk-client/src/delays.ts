import type { Ids, ImError } from '@innerline/protocol'

/** A span to draw a delay from, in ms. */
export interface Span {
  readonly minMs: number
  readonly maxMs: number
}

/** Full jitter below a bound that doubles with each attempt (1, 2, 3 …), never under 100 ms. */
export const backoff = (attempt: number, minDelayMs = 1_000, maxDelayMs = 30_000): Span => ({
  minMs: 100,
  maxMs: Math.max(100, Math.min(maxDelayMs, minDelayMs * 2 ** Math.min(attempt - 1, 20))),
})

/** Not before `delayMs`, as the server told, and spread so that those refused together do not return together. */
export const later = (delayMs: number, { maxMs }: Span): Span => ({ minMs: delayMs, maxMs: Math.max(delayMs * 1.5, maxMs) })

export const draw = (span: Span, ids: Ids): number => span.minMs + (span.maxMs - span.minMs) * ids.random()

/** How long to wait before trying again for the `attempt`th time: as the server told, else with back-off. */
export const pauseMs = (error: ImError | undefined, attempt: number, ids: Ids): number => error?.retryAfterMs ?? draw(backoff(attempt), ids)
