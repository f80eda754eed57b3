import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Attempt } from '../../../../sim/checker/index.js'
import type { VictimTask } from './victim.js'
import type { CursorSeen, WorkerReport, WorkerTask } from './worker.js'

const root = fileURLToPath(new URL('../../../..', import.meta.url))

/** A forked process with a storage of its own, and what it has seen so far. */
export class WorkerProcess {
  readonly attempts: Attempt[] = []
  readonly cursors: CursorSeen[] = []
  acknowledged = 0
  /** Resolves when its storage has started. */
  readonly ready: Promise<void>
  /** Resolves when it has done its task; rejects with what failed in it. */
  readonly done: Promise<void>
  readonly #child: ChildProcess

  constructor(task: WorkerTask | VictimTask) {
    // tsx reads the sources of the packages, by the paths of the root's tsconfig.
    const program = 'occupation' in task ? './victim.ts' : './worker.ts'
    this.#child = fork(fileURLToPath(new URL(program, import.meta.url)), [], {
      ...{ cwd: root, execArgv: ['--import', 'tsx'], serialization: 'advanced' },
      env: { ...process.env, TSX_TSCONFIG_PATH: `${root}/tsconfig.json`, NODE_OPTIONS: '', VITEST: '' },
    })
    let isReady = (): void => undefined
    let notReady = (_: unknown): void => undefined
    this.ready = new Promise((resolve, reject) => {
      isReady = resolve
      notReady = reject
    })
    this.done = new Promise((resolve, reject) => {
      this.#child.on('message', (report: WorkerReport) => {
        if (report.kind === 'ready') isReady()
        else if (report.kind === 'seen') {
          this.attempts.push(...report.attempts)
          for (const { outcome } of report.attempts) if (outcome?.ok) this.acknowledged++
          this.cursors.push(...report.cursors)
        } else if (report.kind === 'done') resolve()
        else reject(new Error(`A worker failed: ${report.message}`))
      })
      this.#child.once('exit', (code, signal) => reject(new Error(`A worker ended early (${code ?? signal}).`)))
    })
    this.done.catch(notReady)
    this.ready.catch(() => undefined)
    this.#child.send(task)
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('The worker could not be started.')
    return this.#child.pid
  }

  /** Lets it begin; call when all are ready. */
  begin(): void {
    this.#child.send('begin')
  }

  freeze(): void {
    process.kill(this.pid, 'SIGSTOP')
  }

  thaw(): void {
    process.kill(this.pid, 'SIGCONT')
  }

  /** Ends it whatever it does, frozen or not. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
