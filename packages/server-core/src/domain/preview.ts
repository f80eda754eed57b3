import type { SendableBody } from '@innerline/protocol'

const MAX_CHARACTERS = 100

/** What a conversation list shows of a body: ≤ 100 characters (code points), one line, no markup. */
export function previewOf(body: SendableBody): string {
  if (body.type === 'text')
    return shorten(
      String((body as { text: unknown }).text)
        .replace(/\s+/gu, ' ')
        .trim(),
    )
  const name = (body as { name?: unknown }).name
  return shorten(typeof name === 'string' && name !== '' ? `[${body.type}] ${name}` : `[${body.type}]`)
}

function shorten(text: string): string {
  if (text.length <= MAX_CHARACTERS) return text
  const characters = Array.from(text.slice(0, MAX_CHARACTERS * 2))
  return characters.length <= MAX_CHARACTERS ? characters.join('') : `${characters.slice(0, MAX_CHARACTERS - 1).join('')}…`
}
