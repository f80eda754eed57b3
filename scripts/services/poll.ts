/** Polls `check` until it gives something other than undefined; after `withinMs` rejects with `what`. */
export async function poll<T>(
  withinMs: number,
  what: string,
  check: () => T | undefined | Promise<T | undefined>,
  everyMs = 20,
): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const value = await check()
    if (value !== undefined) return value
    if (performance.now() >= deadline) throw new Error(`${what} within ${withinMs / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
