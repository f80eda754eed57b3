import { afterEach, describe, expect, it } from 'vitest'
import { pageLifecycle } from '../src/runtime/page-lifecycle.js'

const names = ['document', 'addEventListener'] as const
const had = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name))
afterEach(() => {
  for (const [index, name] of names.entries()) {
    const descriptor = had[index]
    if (descriptor) Object.defineProperty(globalThis, name, descriptor)
    else Reflect.deleteProperty(globalThis, name)
  }
})

describe('the signals of the page', () => {
  it('touches nothing where there is no page', () => {
    expect(() => pageLifecycle.watch(() => {})()).not.toThrow()
  })

  it('wakes on online, pageshow and becoming visible, until told to stop', () => {
    const page = new EventTarget()
    const document = Object.assign(new EventTarget(), { visibilityState: 'hidden' })
    Object.assign(globalThis, { document, addEventListener: page.addEventListener.bind(page) })
    let woken = 0
    const unwatch = pageLifecycle.watch(() => woken++)
    // A network that comes back helps a hidden page too.
    page.dispatchEvent(new Event('online'))
    page.dispatchEvent(new Event('pageshow'))
    expect(woken).toBe(2)
    document.dispatchEvent(new Event('visibilitychange'))
    expect(woken).toBe(2)
    document.visibilityState = 'visible'
    document.dispatchEvent(new Event('visibilitychange'))
    expect(woken).toBe(3)
    unwatch()
    for (const type of ['online', 'pageshow']) page.dispatchEvent(new Event(type))
    document.dispatchEvent(new Event('visibilitychange'))
    expect(woken).toBe(3)
  })
})
