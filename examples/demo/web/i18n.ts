import { Cell } from './dom.js'
import { texts } from './texts.js'

export type Language = 'en' | 'zh'
export type TextKey = keyof typeof texts

type Arguments<K extends TextKey> = (typeof texts)[K]['en'] extends (...args: infer A) => string ? A : []

const STORED = 'innerline.demo.language'

/** The language the browser asks for; English where it asks for neither. */
export function preferredLanguage(asked: readonly string[]): Language {
  const first = asked.find((tag) => /^(en|zh)\b/i.test(tag))
  return first !== undefined && /^zh/i.test(first) ? 'zh' : 'en'
}

function initialLanguage(): Language {
  try {
    const stored = globalThis.localStorage?.getItem(STORED)
    if (stored === 'en' || stored === 'zh') return stored
  } catch {
    // Storage may be forbidden; the browser's language then decides.
  }
  return preferredLanguage(globalThis.navigator?.languages ?? [])
}

/** The language of the page. Who shows texts is drawn anew when it changes. */
export const language = new Cell<Language>(initialLanguage())

export function switchLanguage(): void {
  const next: Language = language.getSnapshot() === 'en' ? 'zh' : 'en'
  try {
    globalThis.localStorage?.setItem(STORED, next)
  } catch {
    // Then the choice lasts until the page is left.
  }
  language.set(next)
}

/** The text of `key` in the page's language. */
export function t<K extends TextKey>(key: K, ...args: Arguments<K>): string {
  const text: string | ((...args: never[]) => string) = texts[key][language.getSnapshot()]
  return typeof text === 'string' ? text : text(...(args as never[]))
}
