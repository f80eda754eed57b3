import { endRecorded } from './instance.js'
import { isAlive, readRecords } from './folders.js'
import { mariadb } from './mariadb.js'
import { mysql9 } from './mysql9.js'
import { ServiceUnavailable, urlFromEnvironment, type RunningService, type Service, type StartRequest } from './service.js'

export const services: readonly Service[] = [mariadb, mysql9]

/** The service of this name; throws with the names there are. */
export function serviceNamed(name: string): Service {
  const service = services.find((each) => each.name === name)
  if (service === undefined) throw new Error(`There is no service ${name}. Services: ${services.map((each) => each.name).join(', ')}.`)
  return service
}

/** Starts a private instance, after ending what crashed runs left behind. */
export async function startService(name: string, request: Partial<StartRequest> = {}): Promise<RunningService> {
  const service = serviceNamed(name)
  await endOrphans()
  return service.start({ detached: false, ...request })
}

export interface ProvidedService {
  readonly name: string
  readonly url?: string | undefined
  /** What it is, or why there is none. */
  readonly says: string
}

/**
 * Gives tests a URL of every service, in the service's variable of `process.env`: the one the environment already has, else that of a
 * private instance that ends with this process. A service that cannot be had is reported; with CI set a required one rejects instead.
 */
export async function provideServices(wanted: readonly Service[] = services): Promise<{
  readonly provided: readonly ProvidedService[]
  /** Ends what was started. */
  stop(): Promise<void>
}> {
  await endOrphans()
  const running: RunningService[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(running.map((each) => each.stop()))
  }
  const outcomes = await Promise.allSettled(
    wanted.map(async (service): Promise<ProvidedService> => {
      const [variable] = service.variables
      const given = urlFromEnvironment(service, process.env)
      if (given !== undefined) {
        process.env[variable] = given
        return { name: service.name, url: given, says: 'from the environment' }
      }
      try {
        const started = await service.start({ detached: false })
        running.push(started)
        process.env[variable] = started.url
        return { name: service.name, url: started.url, says: started.source }
      } catch (error) {
        if (!(error instanceof ServiceUnavailable) || (service.requiredInCi && process.env.CI)) throw error
        return { name: service.name, says: error.message }
      }
    }),
  )
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined) {
    await stop()
    throw failed.reason
  }
  return { provided: outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : [])), stop }
}

/** Ends instances whose owner died without ending them. */
export async function endOrphans(): Promise<void> {
  for (const { folder, record } of readRecords()) {
    if (record.ownerPid !== undefined && !isAlive(record.ownerPid)) await endRecorded(folder, record)
  }
}
