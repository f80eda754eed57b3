import type { Route } from './route.js'

/** The routes whose pattern a path fits, the most literal first. */
export interface RouteMatch {
  readonly route: Route
  /** Parameters, still percent-encoded. */
  readonly params: Readonly<Record<string, string>>
}

/** Finds routes by path; immutable. */
export class RouteTable {
  readonly #prefix: string
  readonly #rows: readonly { readonly route: Route; readonly segments: readonly string[] }[]

  /** `basePath` is '' or begins with '/' and has no '/' at its end. */
  constructor(routes: readonly Route[], basePath: string) {
    this.#prefix = basePath
    this.#rows = routes
      .map((route) => ({ route, segments: route.pattern.split('/') }))
      // '/offline/summary' before '/offline/:conversationId': a fixed word is never a parameter's value.
      .sort((a, b) => parameterCount(a.segments) - parameterCount(b.segments))
  }

  /** All routes of the path, whatever their method; none when the path is not ours. */
  match(path: string): readonly RouteMatch[] {
    if (!path.startsWith(`${this.#prefix}/`)) return []
    const given = path.slice(this.#prefix.length).split('/')
    const found: RouteMatch[] = []
    for (const { route, segments } of this.#rows) {
      const params = paramsOf(segments, given)
      if (params !== undefined) found.push({ route, params })
    }
    return found
  }
}

/** `basePath` without a '/' at its end. Throws a sentence when it does not begin with one. */
export function checkedBasePath(basePath: string): string {
  const trimmed = basePath.replace(/\/+$/, '')
  if (trimmed !== '' && !trimmed.startsWith('/')) throw new TypeError(`basePath must begin with '/', such as '/im'; it is '${basePath}'.`)
  return trimmed
}

const parameterCount = (segments: readonly string[]): number => segments.filter((segment) => segment.startsWith(':')).length

function paramsOf(segments: readonly string[], given: readonly string[]): Readonly<Record<string, string>> | undefined {
  if (segments.length !== given.length) return undefined
  const params: Record<string, string> = {}
  for (let i = 0; i < segments.length; i++) {
    const segment = segments[i] as string
    const value = given[i] as string
    if (!segment.startsWith(':')) {
      if (segment !== value) return undefined
    } else {
      if (value === '') return undefined
      params[segment.slice(1)] = value
    }
  }
  return params
}
