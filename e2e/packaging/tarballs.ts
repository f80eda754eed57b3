import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { must } from './process.js'

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const bin = (name: string): string => join(root, 'node_modules/.bin', name)

export interface Tarball {
  /** `@innerline/…` */
  readonly name: string
  readonly path: string
}

/** Packs every package as it would be published: `workspace:` ranges become versions, `prepack` scripts run. */
export async function packAll(destination: string): Promise<readonly Tarball[]> {
  const packages = readdirSync(join(root, 'packages')).sort()
  for (const name of packages)
    await must('node', [join(root, 'scripts/pnpm.mjs'), 'pack', '--pack-destination', destination], join(root, 'packages', name))
  const files = readdirSync(destination).filter((file) => file.endsWith('.tgz'))
  return packages.map((name) => {
    const file = files.find((candidate) => candidate.startsWith(`innerline-${name}-`))
    if (file === undefined) throw new Error(`packing ${name} made no tarball in ${destination}: ${files.join(', ')}`)
    return { name: `@innerline/${name}`, path: join(destination, file) }
  })
}

/** Paths inside a tarball, without the leading `package/`. */
export async function listFiles(tarball: Tarball): Promise<readonly string[]> {
  const listing = await must('tar', ['-tzf', tarball.path], root)
  return listing
    .trim()
    .split('\n')
    .map((path) => path.replace(/^package\//, ''))
    .sort()
}

export const readFromTarball = (tarball: Tarball, path: string): Promise<string> =>
  must('tar', ['-xzOf', tarball.path, `package/${path}`], root)
