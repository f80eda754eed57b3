import { conversationIdOfPath, ImError, isMsgId, isUserId } from '@innerline/protocol'
import * as z from 'zod'

/** One parameter of a path or a query: how its text is read, and what the OpenAPI document says of it. */
export interface Param<T> {
  /** Reads the decoded text. Throws `INVALID_REQUEST` that names the parameter, never its value. */
  read(raw: string, name: string): T
  readonly schema: z.ZodType
  readonly description: string
}

export type Params = Readonly<Record<string, Param<unknown>>>

type ValueOf<P> = P extends Param<infer T> ? T : never

/** Parameters of a path: always there. */
export type PathValues<P extends Params> = { readonly [K in keyof P]: ValueOf<P[K]> }
/** Parameters of a query: each may be missing. */
export type QueryValues<P extends Params> = { readonly [K in keyof P]: ValueOf<P[K]> | undefined }

/** The refusal of one parameter. */
export const invalidParam = (name: string, reason: string): ImError => new ImError('INVALID_REQUEST', { detail: `${name} ${reason}.` })

/**
 * A plain decimal integer. `Number()` would also take '1e3', ' 5', '0x10' and '', each of which is a client's mistake
 * that must not turn into another page.
 */
export function integer(description: string, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}): Param<number> {
  const reason = max === Number.MAX_SAFE_INTEGER ? `must be an integer of at least ${min}` : `must be an integer from ${min} to ${max}`
  return {
    read(raw, name) {
      const value = /^(?:0|[1-9]\d{0,15})$/.test(raw) ? Number(raw) : Number.NaN
      if (!(value >= min && value <= max)) throw invalidParam(name, reason)
      return value
    },
    schema: z.int().min(min).max(max),
    description,
  }
}

/** One of a fixed list of words. */
export function choice<const T extends string>(description: string, words: readonly [T, ...T[]]): Param<T> {
  return {
    read(raw, name) {
      const word = words.find((candidate) => candidate === raw)
      if (word === undefined) throw invalidParam(name, `must be one of ${words.join(', ')}`)
      return word
    },
    schema: z.enum(words),
    description,
  }
}

/** Free text of 1 to `max` characters. */
export function text(description: string, max: number): Param<string> {
  return {
    read(raw, name) {
      if (raw === '' || raw.length > max) throw invalidParam(name, `must have 1 to ${max} characters`)
      return raw
    },
    schema: z.string().min(1).max(max),
    description,
  }
}

/** The id of a stored message. */
export function msgId(description: string): Param<string> {
  return {
    read(raw, name) {
      if (!isMsgId(raw)) throw invalidParam(name, 'must be a lower-case UUID')
      return raw
    },
    schema: z.string(),
    description,
  }
}

/** A conversation id, or a bare service session id as the seed's paths have it; read as a conversation id. */
export function conversation(description: string): Param<string> {
  return {
    read(raw, name) {
      const id = conversationIdOfPath(raw)
      if (id === undefined) throw invalidParam(name, 'must be a conversation id such as d~alice~bob, or a service session id')
      return id
    },
    schema: z.string(),
    description,
  }
}

/** Up to `max` user ids, separated by commas (which no id contains). Repeats are dropped. */
export function userIds(description: string, max: number): Param<readonly string[]> {
  return {
    read(raw, name) {
      const ids = raw.split(',')
      if (ids.length > max) throw invalidParam(name, `may name ${max} users`)
      if (!ids.every(isUserId)) throw invalidParam(name, 'must be user ids separated by commas')
      return [...new Set(ids)]
    },
    schema: z.string().min(1),
    description,
  }
}
