import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Profiler } from 'node:inspector'
import { SourceMap } from 'node:module'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ServerProcess } from './server-process.js'

const TOP = 30
const ROOT = fileURLToPath(new URL('..', import.meta.url))

/**
 * CPU profiles of a server, taken over a measured phase alone (a profile from the process's start would be full of loading and
 * connecting). Each is written as a `.cpuprofile`, which browsers' developer tools open, and its dearest functions are printed.
 */
export class Profile {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  start(server: ServerProcess): Promise<void> {
    return server.startProfile()
  }

  async stop(server: ServerProcess, name: string): Promise<void> {
    const profile = await server.stopProfile()
    mkdirSync(this.#folder, { recursive: true })
    const file = join(this.#folder, `${name.replaceAll(/[^a-z0-9]+/g, '-')}.cpuprofile`)
    writeFileSync(file, JSON.stringify(profile))
    console.log(`\n### ${name}: self time (${relative(ROOT, file)})\n`)
    console.log(selfTimes(profile).join('\n'))
  }
}

/** The functions that took most time themselves, as lines of text. */
function selfTimes(profile: Profiler.Profile): string[] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const micros = new Map<string, number>()
  let total = 0
  profile.samples?.forEach((id, i) => {
    const node = nodes.get(id)
    if (node === undefined || isForeign(node.callFrame)) return
    const spent = profile.timeDeltas?.[i] ?? 0
    const place = placeOf(node.callFrame)
    micros.set(place, (micros.get(place) ?? 0) + spent)
    total += spent
  })
  return [...micros]
    .sort(([, a], [, b]) => b - a)
    .slice(0, TOP)
    .map(([place, spent]) => `${((100 * spent) / total).toFixed(1).padStart(5)} %  ${(spent / 1000).toFixed(0).padStart(6)} ms  ${place}`)
}

/** Waiting for work, and the inspector's own call that starts and ends a profile. */
function isForeign({ functionName, url }: Profiler.Profile['nodes'][number]['callFrame']): boolean {
  return url === '' && (functionName === '(idle)' || functionName === 'dispatch')
}

const maps = new Map<string, SourceMap | undefined>()

function sourceMapOf(file: string): SourceMap | undefined {
  if (!maps.has(file)) {
    const map = `${file}.map`
    maps.set(file, existsSync(map) ? new SourceMap(JSON.parse(readFileSync(map, 'utf8'))) : undefined)
  }
  return maps.get(file)
}

function placeOf({ functionName, url, lineNumber, columnNumber }: Profiler.Profile['nodes'][number]['callFrame']): string {
  const name = functionName === '' ? '(anonymous)' : functionName
  if (url === '') return name
  if (!url.startsWith('file:')) return `${name}  ${url}:${lineNumber + 1}`
  const file = fileURLToPath(url)
  const origin = sourceMapOf(file)?.findEntry(lineNumber, columnNumber)
  const inPackages = file.split('node_modules/').at(-1) as string
  if (origin === undefined || !('originalSource' in origin)) {
    return `${name}  ${inPackages === file ? relative(ROOT, file) : inPackages}:${lineNumber + 1}`
  }
  return `${name}  ${origin.originalSource.replace(/^(\.\.\/)+/, '')}:${origin.originalLine + 1}`
}
