import { language, t } from './i18n.js'

const locale = () => (language.getSnapshot() === 'zh' ? 'zh-CN' : 'en-GB')
const cache = new Map<string, Intl.DateTimeFormat>()

function format(time: number, options: Intl.DateTimeFormatOptions): string {
  const key = `${locale()} ${JSON.stringify(options)}`
  let formatter = cache.get(key)
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat(locale(), options)
    cache.set(key, formatter)
  }
  return formatter.format(time)
}

/** Identifies the local day of `time`. */
export function dayKey(time: number): string {
  const date = new Date(time)
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`
}

/** Hours and minutes. */
export const clockTime = (time: number): string => format(time, { hour: '2-digit', minute: '2-digit', hour12: false })

/** Hours to milliseconds, for the event log. */
export const exactTime = (time: number): string =>
  format(time, { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hour12: false })

/** The day in words: today, yesterday, or the date. */
export function dayLabel(time: number, now = Date.now()): string {
  if (dayKey(time) === dayKey(now)) return t('today')
  const yesterday = new Date(now)
  yesterday.setDate(yesterday.getDate() - 1)
  if (dayKey(time) === dayKey(yesterday.getTime())) return t('yesterday')
  const sameYear = new Date(time).getFullYear() === new Date(now).getFullYear()
  return format(time, { weekday: 'short', day: 'numeric', month: 'long', ...(sameYear ? {} : { year: 'numeric' as const }) })
}

/** The time in a list: the clock for today, else the day. */
export function listTime(time: number, now = Date.now()): string {
  if (dayKey(time) === dayKey(now)) return clockTime(time)
  const label = dayLabel(time, now)
  return label === t('yesterday') ? label : format(time, { day: 'numeric', month: 'short' })
}

/** One or two characters that stand for a name: initials of Latin words, else the first character. */
export function initials(name: string): string {
  const words = name.match(/\p{Script=Latin}+/gu) ?? []
  const letters = words.slice(0, 2).map((word) => [...word][0] ?? '')
  return (letters.join('') || ([...name.trim()][0] ?? '?')).toUpperCase()
}

/** Number of avatar colours in the style sheet. */
export const AVATAR_COLOURS = 8

/** A colour of the avatar palette, always the same for the same id (FNV-1a, from a start that tells the demo's people apart). */
export function colourOf(id: string): number {
  let hash = 0x811c9dca
  for (const character of id) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0
  return (hash >>> 13) % AVATAR_COLOURS
}

/** The end of a msgId, enough to recognise it in the log. */
export const shortId = (msgId: string): string => msgId.slice(-6)
