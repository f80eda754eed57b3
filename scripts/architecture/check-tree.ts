import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkSource, type Violation } from './check-source.js'

interface PackageJson {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

export interface TreeResult {
  readonly files: number
  readonly violations: readonly Violation[]
}

/** Checks every TypeScript file in packages/*\/src and packages/*\/test below `root`. */
export function checkTree(root: string): TreeResult {
  const violations: Violation[] = []
  let files = 0
  for (const pkg of readdirSync(join(root, 'packages'))) {
    const manifest = join(root, 'packages', pkg, 'package.json')
    if (!existsSync(manifest)) continue
    const { dependencies, peerDependencies } = JSON.parse(readFileSync(manifest, 'utf8')) as PackageJson
    const declared = [...Object.keys(dependencies ?? {}), ...Object.keys(peerDependencies ?? {})]
    for (const part of ['src', 'test']) {
      for (const file of typeScriptFiles(root, `packages/${pkg}/${part}`)) {
        files += 1
        violations.push(...checkSource(file, readFileSync(join(root, file), 'utf8'), declared))
      }
    }
  }
  return { files, violations }
}

function typeScriptFiles(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return typeScriptFiles(root, path)
    return /\.(ts|tsx|mts)$/.test(entry.name) ? [path] : []
  })
}
