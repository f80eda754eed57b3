import { ImError } from '@innerline/protocol'
import { invalidParam, type Params } from './param.js'

/** What a request target names. */
export interface Target {
  /** Still percent-encoded: an encoded slash is not a separator. */
  readonly path: string
  /** Without its '?'. */
  readonly search: string
}

/** Splits a request target, in origin form or in the absolute form that proxies may send (RFC 9112 §3.2.2). */
export function splitTarget(url: string): Target {
  const origin = url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?#]*/i, '')
  const [beforeFragment = ''] = origin.split('#', 1)
  const at = beforeFragment.indexOf('?')
  return at < 0 ? { path: beforeFragment, search: '' } : { path: beforeFragment.slice(0, at), search: beforeFragment.slice(at + 1) }
}

/**
 * Reads a query into its names and values. `URLSearchParams` is not used because it never fails: it lets '%zz' through and
 * replaces broken UTF-8, and both would then be searched for as if they were meant.
 * Throws `INVALID_REQUEST` for malformed percent-encoding.
 */
export function parseQuery(search: string): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, string[]>()
  for (const pair of search.split('&')) {
    if (pair === '') continue
    const at = pair.indexOf('=')
    const name = decodeFormText(at < 0 ? pair : pair.slice(0, at))
    const value = at < 0 ? '' : decodeFormText(pair.slice(at + 1))
    const known = values.get(name)
    if (known === undefined) values.set(name, [value])
    else known.push(value)
  }
  return values
}

function decodeFormText(encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '))
  } catch {
    throw new ImError('INVALID_REQUEST', { detail: 'The query is not valid percent-encoding.' })
  }
}

/** Reads the known parameters of a query; others are ignored. Throws `INVALID_REQUEST` naming the first bad one. */
export function readQuery(params: Params, search: string): Readonly<Record<string, unknown>> {
  const given = parseQuery(search)
  const values: Record<string, unknown> = {}
  for (const [name, param] of Object.entries(params)) {
    const [raw, second] = given.get(name) ?? []
    if (second !== undefined) throw invalidParam(name, 'is given twice')
    if (raw !== undefined) values[name] = param.read(raw, name)
  }
  return values
}

/** Reads the parameters of a path from its still encoded segments. Throws `INVALID_REQUEST` naming the bad one. */
export function readPath(params: Params, encoded: Readonly<Record<string, string>>): Readonly<Record<string, unknown>> {
  const values: Record<string, unknown> = {}
  for (const [name, param] of Object.entries(params)) values[name] = param.read(decodeSegment(encoded[name] ?? '', name), name)
  return values
}

function decodeSegment(encoded: string, name: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch {
    throw invalidParam(name, 'is not valid percent-encoding')
  }
}
