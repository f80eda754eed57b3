/**
 * Keeps one connection's sends to a conversation in arrival order up to the append lane, whatever their checks and hooks
 * take. Costs nothing while only one is on its way.
 */
export class LaneOrder {
  /** Made by the first send: most connections of a quiet service are never asked. */
  #last: Map<string, Place> | undefined

  /** Takes the next place of the conversation; `leave()` must follow, and may be repeated. */
  enter(conversationId: string): Place {
    this.#last ??= new Map()
    const last = this.#last
    const place = new Place(last.get(conversationId), () => {
      if (last.get(conversationId) === place) last.delete(conversationId)
    })
    last.set(conversationId, place)
    return place
  }
}

class Place {
  #before: Place | undefined
  readonly #onLeft: () => void
  #left = false
  #waiting: (() => void) | undefined

  constructor(before: Place | undefined, onLeft: () => void) {
    this.#before = before?.hasLeft === true ? undefined : before
    this.#onLeft = onLeft
  }

  get hasLeft(): boolean {
    return this.#left
  }

  /** Whether an earlier send has not reached its lane yet. */
  get waits(): boolean {
    return this.#before !== undefined && !this.#before.hasLeft
  }

  /** Resolves when the send before has reached its lane or has been given up. */
  get turn(): Promise<void> {
    const before = this.#before
    if (before === undefined || before.#left) return Promise.resolve()
    return new Promise((resolve) => {
      before.#waiting = resolve
    })
  }

  leave(): void {
    if (this.#left) return
    // A place given up while its predecessor is still on the way must not let its successor overtake that one.
    if (this.waits) {
      void this.turn.then(() => this.#release())
      return
    }
    this.#release()
  }

  #release(): void {
    if (this.#left) return
    this.#left = true
    // Else a pipeline that never runs dry would keep every place it ever had.
    this.#before = undefined
    this.#onLeft()
    this.#waiting?.()
  }
}
