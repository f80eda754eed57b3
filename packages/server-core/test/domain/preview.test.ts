import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { previewOf } from '../../src/domain/preview.js'

const text = (value: string): string => previewOf({ type: 'text', text: value })

/** What a preview is, without a shortcut; for texts short enough to look at whole. */
function defined(value: string): string {
  const characters = Array.from(value.replace(/\s+/gu, ' ').trim())
  return characters.length <= 100 ? characters.join('') : `${characters.slice(0, 99).join('')}…`
}

/** Half a character does not survive UTF-8. */
const isWellFormed = (value: string): boolean => Buffer.from(value).toString() === value

const units = fc.constantFrom('a', ' ', '\n', '\t', '\u3000', '内', '👋', 'é', '.')

describe('a preview', () => {
  it('is the text on one line, at most 100 characters', () => {
    fc.assert(
      fc.property(fc.array(units, { maxLength: 190 }), (parts) => {
        expect(text(parts.join(''))).toBe(defined(parts.join('')))
      }),
    )
  })

  it('never splits a character, and is never longer, however long the text', () => {
    fc.assert(
      fc.property(fc.array(units, { minLength: 200, maxLength: 3_000 }), (parts) => {
        const preview = text(parts.join(''))
        expect(Array.from(preview).length).toBeLessThanOrEqual(100)
        expect(isWellFormed(preview)).toBe(true)
        expect(preview).toBe(preview.trim())
      }),
    )
  })

  it('begins with the first word, whatever white space comes before it', () => {
    expect(text(`${' \n'.repeat(2_000)}hello`)).toBe('hello')
    expect(isWellFormed(text(`a${' '.repeat(398)}👋`))).toBe(true)
  })

  it('names a file', () => {
    expect(previewOf({ type: 'image', url: '/a.png', name: 'a.png' })).toBe('[image] a.png')
    expect(previewOf({ type: 'x-order', id: 1 })).toBe('[x-order]')
  })
})
