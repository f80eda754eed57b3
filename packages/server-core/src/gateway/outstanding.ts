/** The requests of one connection that have not been answered yet. */
export class Outstanding {
  #count = 0
  #waiting: (() => void)[] | undefined

  /** Counts an answer that is still due; the returned function is to be called when it has been given. */
  expect(): () => void {
    this.#count++
    return () => {
      if (--this.#count > 0) return
      const waiting = this.#waiting
      this.#waiting = undefined
      if (waiting !== undefined) for (const fn of waiting) fn()
    }
  }

  /** Calls `fn` once, as soon as nothing is outstanding. */
  whenNone(fn: () => void): void {
    if (this.#count === 0) fn()
    else if (this.#waiting === undefined) this.#waiting = [fn]
    else this.#waiting.push(fn)
  }
}
