import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { until } from './im-server.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const START_MS = 30_000

/** The demo as `npm start` runs it once all is built, in a process of its own that can be killed. */
export class DemoProcess {
  readonly port: number
  readonly #env: Readonly<Record<string, string>>
  #child: ChildProcess | undefined
  #output = ''

  /** `env` names the backends. 0 lets the system choose a port, which a later start would not get again. */
  constructor(port: number, env: Readonly<Record<string, string>>) {
    this.port = port
    this.#env = env
  }

  get url(): string {
    return `http://localhost:${this.port}`
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** What it has printed, since the first start. */
  get output(): string {
    return this.#output
  }

  /** Starts it and resolves when it answers. Rejects with what it printed when it ends before that. */
  async start(): Promise<void> {
    const printed = this.#output.length
    this.#spawn()
    await until(
      `the demo answers on port ${this.port}`,
      () => {
        if (!this.isRunning) throw new Error(`The demo ended early:\n${this.#output.slice(printed)}`)
        // The last line it prints.
        return this.#output.slice(printed).includes('with the password demo.')
      },
      START_MS,
    )
  }

  /** Starts one that is expected to refuse, and resolves with its exit code when it has ended. */
  async ending(): Promise<number | null> {
    const [code] = (await once(this.#spawn(), 'close')) as [number | null]
    return code
  }

  /** Kills the process as the system would when memory is short, and resolves when it is gone. */
  async kill9(): Promise<void> {
    if (!this.isRunning || this.#child === undefined) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }

  #spawn(): ChildProcess {
    const tsx = createRequire(import.meta.url).resolve('tsx')
    // tsx reads the packages' sources, by the paths of the root's tsconfig.
    const child = spawn(process.execPath, ['--import', tsx, 'src/main.ts'], {
      cwd: `${root}/examples/demo`,
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        TSX_TSCONFIG_PATH: `${root}/tsconfig.json`,
        PORT: String(this.port),
        ...this.#env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (this.#output += chunk.toString()))
    this.#child = child
    return child
  }
}
