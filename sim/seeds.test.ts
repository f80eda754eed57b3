import { expect, it } from 'vitest'
import { playSeed } from './run/history.js'
import { savedSeeds } from './run/saved-seeds.js'

const ALWAYS = [1, 7, 42]

for (const { seed, reason } of [
  ...ALWAYS.map((seed) => ({ seed, reason: 'a sample' })),
  ...savedSeeds(new URL('..', import.meta.url).pathname),
]) {
  it(`seed ${seed} holds (${reason})`, { timeout: 60_000 }, async () => {
    const { violations } = await playSeed(seed)
    expect(violations).toEqual([])
  })
}
