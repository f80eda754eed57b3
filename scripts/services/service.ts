import type { ServerInstance } from './instance.js'

/** One kind of server that tests and developers can have a private instance of. */
export interface Service {
  /** As the command line names it. */
  readonly name: string
  /** Environment variables that may bring its URL, the first also being the one that is set for tests. */
  readonly variables: readonly [string, ...string[]]
  /** Whether a run with CI set fails without it. */
  readonly requiredInCi: boolean
  /** Starts an instance of its own and resolves when it answers. Rejects with `ServiceUnavailable` where no server can be had. */
  start(request: StartRequest): Promise<RunningService>
}

export interface StartRequest {
  /** Outlives this process; ended by `stop`. Otherwise it ends with this process, or at the next start after a crash. */
  readonly detached: boolean
  /** Further options of the server's own command line. */
  readonly extraArgs?: readonly string[] | undefined
  /** Instead of a new instance: this one, which has ended, on its own data and port. Containers do not know it. */
  readonly again?: { readonly folder: string; readonly port: number } | undefined
}

export interface RunningService {
  readonly name: string
  readonly url: string
  /** What runs and where it came from, in words. */
  readonly source: string
  /** Its processes: one for a plain server, several for a cluster. */
  readonly instances: readonly [ServerInstance, ...ServerInstance[]]
  /** Ends its processes and removes their data. Idempotent. */
  stop(): Promise<void>
}

/** No server can be had here; the message says why and what would help. */
export class ServiceUnavailable extends Error {
  override readonly name = 'ServiceUnavailable'
}

/** The URL that the environment brings for a service; the first variable that is set and not empty. */
export const urlFromEnvironment = (service: Pick<Service, 'variables'>, env: NodeJS.ProcessEnv): string | undefined =>
  service.variables.map((name) => env[name]).find((value) => value !== undefined && value !== '')
