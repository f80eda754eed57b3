import type { SendableBody } from '@innerline/protocol'

const MAX_CHARACTERS = 100

/** More code units than a preview can be made of, white space folded. */
const ENOUGH = 400

/** What a conversation list shows of a body: ≤ 100 characters (code points), one line, no markup. */
export function previewOf(body: SendableBody): string {
  if (body.type === 'text') return shorten(oneLine(String((body as { text: unknown }).text)))
  const name = (body as { name?: unknown }).name
  return shorten(typeof name === 'string' && name !== '' ? `[${body.type}] ${oneLine(name)}` : `[${body.type}]`)
}

function oneLine(text: string): string {
  const trimmed = text.trimStart()
  const start = trimmed.length > ENOUGH ? trimmed.slice(0, ENOUGH).replace(/[\ud800-\udbff]$/, '') : trimmed
  return /[^\S ]|^ | $| {2}/.test(start) ? start.replace(/\s+/gu, ' ').trim() : start
}

function shorten(text: string): string {
  if (text.length <= MAX_CHARACTERS) return text
  // Beyond the basic plane a character is two code units; without such ones, units are characters.
  if (!/[\ud800-\udbff]/.test(text.slice(0, MAX_CHARACTERS))) return `${text.slice(0, MAX_CHARACTERS - 1)}…`
  const characters = Array.from(text.slice(0, MAX_CHARACTERS * 2))
  return characters.length <= MAX_CHARACTERS ? characters.join('') : `${characters.slice(0, MAX_CHARACTERS - 1).join('')}…`
}
