/** Runs a scenario once per order in which its steps can happen. */

export interface Schedule {
  /** Waits until the schedule lets this step happen. */
  step(name: string): Promise<void>
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/**
 * Depth-first over all orders: whenever nothing moves by itself, one of the waiting steps is let go, and every choice
 * is tried. `run` starts the scenario and resolves to its end: what is to happen when no step waits any more. Resolves to the number
 * of orders; rejects with the order of the first that failed.
 */
export async function exploreOrders(run: (schedule: Schedule) => Promise<() => Promise<void>>, limit = 20_000): Promise<number> {
  let prefix: number[] = []
  for (let orders = 1; ; orders++) {
    if (orders > limit) throw new Error(`There are more than ${limit} orders.`)
    const waiting: { readonly name: string; readonly go: () => void }[] = []
    const taken: string[] = []
    const choices: { chosen: number; of: number }[] = []
    const schedule: Schedule = {
      step: (name) => new Promise((go) => waiting.push({ name, go })),
    }
    try {
      const end = await run(schedule)
      for (;;) {
        await turn()
        if (waiting.length === 0) {
          await turn()
          if (waiting.length === 0) break
        }
        const chosen = prefix[choices.length] ?? 0
        choices.push({ chosen, of: waiting.length })
        const [next] = waiting.splice(chosen, 1)
        if (next === undefined) throw new Error('The scenario is not deterministic.')
        taken.push(next.name)
        next.go()
      }
      await end()
    } catch (error) {
      throw new Error(`in the order ${taken.join(' → ')}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
    while (choices.length > 0 && (choices.at(-1)?.chosen ?? 0) + 1 >= (choices.at(-1)?.of ?? 0)) choices.pop()
    const last = choices.at(-1)
    if (last === undefined) return orders
    last.chosen++
    prefix = choices.map((choice) => choice.chosen)
  }
}
