import { afterEach, describe, expect, it } from 'vitest'
import { language, preferredLanguage, switchLanguage, t } from '../web/i18n.js'
import { texts } from '../web/texts.js'

const han = /\p{Script=Han}/u
/** The switch to the other language is named in that language. */
const CROSSED = new Set(['otherLanguage'])
/** Nothing but what is put in, or a punctuation mark. */
const WORDLESS = new Set(['logFetch'])

const sample = (text: string | ((...args: never[]) => string)): string =>
  typeof text === 'string' ? text : text(...(['a', 'b', 'c'] as never[]))

describe('texts', () => {
  afterEach(() => language.set('en'))

  it('say something in both languages, each in its own script', () => {
    const wrong = Object.entries(texts).filter(([key, { en, zh }]) => {
      const [english, chinese] = [sample(en), sample(zh)]
      if (english.trim() === '' || chinese.trim() === '' || /undefined/.test(english + chinese)) return true
      return !CROSSED.has(key) && !WORDLESS.has(key) && (han.test(english) || !han.test(chinese))
    })
    expect(wrong.map(([key]) => key)).toEqual([])
  })

  it('take the same arguments in both languages', () => {
    const arity = (text: string | ((...args: never[]) => string)) => (typeof text === 'string' ? 0 : text.length)
    expect(Object.entries(texts).filter(([, { en, zh }]) => arity(en) !== arity(zh))).toEqual([])
  })

  it('uses full-width punctuation after Chinese characters', () => {
    for (const { zh } of Object.values(texts)) expect(sample(zh)).not.toMatch(/\p{Script=Han}[,:;()]/u)
  })

  it('follows the language of the page', () => {
    expect(t('send')).toBe('Send')
    expect(t('newBelow', 3)).toBe('3 new')
    switchLanguage()
    expect(t('send')).toBe('发送')
    expect(t('newBelow', 3)).toBe('3 条新消息')
  })

  it.each([
    [['zh-CN', 'en'], 'zh'],
    [['zh'], 'zh'],
    [['en-GB', 'zh-CN'], 'en'],
    [['fr', 'zh-TW'], 'zh'],
    [['fr', 'de'], 'en'],
    [['zhx-ZZ'], 'en'],
    [[], 'en'],
  ] as const)('%j chooses %s', (asked, expected) => {
    expect(preferredLanguage(asked)).toBe(expected)
  })
})
