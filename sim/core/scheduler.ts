// The only real time there is: the event loop's own turn, taken before a run's guards are up.
const nextTurn = setImmediate

/** Who a task belongs to: it runs only while its owner lives, and waits while its owner is frozen. */
export interface Owner {
  readonly name: string
  /** Decides between tasks that are due at the same moment; drawn from the seed, so that every order occurs and an owner's own stays. */
  readonly tie: number
  readonly alive: boolean
  /** Takes a task that is due while the owner is frozen; false when it is not. */
  park(task: Task): boolean
}

export interface Task {
  readonly at: number
  readonly order: number
  readonly owner: Owner
  /** Undefined once it has run or was called off. */
  fn: (() => void) | undefined
}

const BATCH = 64

const isBefore = (a: Task, b: Task): boolean =>
  a.at !== b.at ? a.at < b.at : a.owner.tie !== b.owner.tie ? a.owner.tie < b.owner.tie : a.order < b.order

/**
 * One queue of tasks in virtual time. Each runs in a turn of the event loop of its own, so every promise it touches has settled before the
 * next one begins; nothing else moves the world.
 */
export class Scheduler {
  /** Virtual ms since the world began. */
  now = 0
  /** Tasks run so far: the order of everything that happens. */
  steps = 0
  /** Sum over everything that has run; equal for equal histories. */
  digest = 0x811c9dc5
  readonly #heap: Task[] = []
  readonly #onThrow: (owner: Owner, error: unknown) => void

  constructor(onThrow: (owner: Owner, error: unknown) => void) {
    this.#onThrow = onThrow
  }

  at(time: number, owner: Owner, fn: () => void): Task {
    const task: Task = { at: Math.max(time, this.now), order: this.#orders++, owner, fn }
    this.#push(task)
    return task
  }

  after(delayMs: number, owner: Owner, fn: () => void): Task {
    return this.at(this.now + delayMs, owner, fn)
  }

  /** Runs everything due up to `until`. */
  run(until: number): Promise<void> {
    return new Promise((resolve) => {
      let planned = 0
      let ended = false
      const turn = (): void => {
        planned--
        if (ended) return
        if (!this.#step(until)) {
          ended = true
          this.now = Math.max(this.now, until)
          resolve()
        } else if (planned === 0) plan()
      }
      // Promises settle between two immediates of one loop iteration as well, and an iteration costs a system call.
      const plan = (): void => {
        for (; planned < BATCH; planned++) nextTurn(turn)
      }
      plan()
    })
  }

  #orders = 0

  #step(until: number): boolean {
    for (;;) {
      const [first] = this.#heap
      if (first === undefined || first.at > until) return false
      this.#pop()
      const { fn, owner } = first
      if (fn === undefined || !owner.alive) continue
      this.now = Math.max(this.now, first.at)
      if (owner.park(first)) continue
      first.fn = undefined
      this.steps++
      this.#digest(first)
      try {
        fn()
      } catch (error) {
        this.#onThrow(owner, error)
      }
      return true
    }
  }

  #digest({ order, owner }: Task): void {
    let sum = Math.imul(this.digest ^ order, 0x01000193)
    sum = Math.imul(sum ^ Math.floor(this.now * 1_000), 0x01000193)
    this.digest = Math.imul(sum ^ owner.tie, 0x01000193) >>> 0
  }

  #push(task: Task): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(task)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as Task
      if (!isBefore(task, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = task
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop() as Task
    const size = heap.length
    if (size === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      if (child + 1 < size && isBefore(heap[child + 1] as Task, heap[child] as Task)) child++
      const below = heap[child] as Task
      if (!isBefore(below, last)) break
      heap[at] = below
      at = child
    }
    heap[at] = last
  }
}
