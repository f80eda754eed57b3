import { endOrphans, provideServices } from './provide.js'

/** Starts the services before the first test file of a project, and ends them after the last. */
export default async function setup(): Promise<() => Promise<void>> {
  const { provided, stop } = await provideServices()
  for (const { name, url, says } of provided) console.log(url === undefined ? `${name}: SKIPPED. ${says}` : `${name}: ${url}, ${says}`)
  return async () => {
    await stop()
    // A worker that was killed by its runner could not end what it had started.
    await endOrphans()
  }
}
