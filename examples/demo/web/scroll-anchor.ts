import type { Scope } from './dom.js'

/** Distance from the end that still counts as the end, in pixels. */
const NEAR = 48
/** Lines from the top of the view on of which one is kept in place. */
const WATCHED = 8

export interface ScrollAnchor {
  /** Whether the newest line is in view, and new ones should stay in view. */
  atEnd(): boolean
  toEnd(): void
  /** Runs `change` so that what the reader looks at stays where it is; at the end, the end. */
  keep(change: () => void, options: { readonly toEnd: boolean }): void
}

/**
 * Keeps a scrolled list still while lines come and go above and below. By hand, because browsers' own anchoring does nothing at the very top,
 * which is where older messages are loaded. `moved` is called after the reader has scrolled.
 */
export function scrollAnchor(scope: Scope, scroller: HTMLElement, list: HTMLElement, moved: () => void): ScrollAnchor {
  let end = true
  const toEnd = () => {
    end = true
    scroller.scrollTop = scroller.scrollHeight
  }
  scroller.addEventListener(
    'scroll',
    () => {
      // A hidden element reports 0 everywhere; that is not a reader at the end.
      if (scroller.clientHeight === 0) return
      end = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR
      moved()
    },
    { passive: true },
  )
  const observer = new ResizeObserver(() => {
    if (end) toEnd()
    moved()
  })
  observer.observe(scroller)
  observer.observe(list)
  scope.add(() => observer.disconnect())
  return {
    atEnd: () => end,
    toEnd: () => {
      toEnd()
      moved()
    },
    keep(change, options) {
      const top = scroller.getBoundingClientRect().top
      // Several, as a separator may go: the first that is still there afterwards holds the place.
      const watched = [...list.children]
        .map((child) => ({ child, rect: child.getBoundingClientRect() }))
        .filter(({ rect }) => rect.bottom > top)
        .slice(0, WATCHED)
      change()
      if (end || options.toEnd) return toEnd()
      const kept = watched.find(({ child }) => child.isConnected)
      if (kept !== undefined) scroller.scrollTop += kept.child.getBoundingClientRect().top - kept.rect.top
    },
  }
}
