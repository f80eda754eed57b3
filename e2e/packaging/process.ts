import { type ChildProcess, spawn } from 'node:child_process'

export interface Finished {
  readonly code: number | null
  readonly output: string
}

/** Runs a program to its end; never rejects for an exit code. */
export function run(command: string, args: readonly string[], cwd: string): Promise<Finished> {
  const { finished } = start(command, args, cwd, {})
  return finished
}

export interface Started {
  readonly child: ChildProcess
  readonly finished: Promise<Finished>
  /** Both streams, so far. */
  output(): string
}

export function start(command: string, args: readonly string[], cwd: string, env: Readonly<Record<string, string>>): Started {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  const take = (chunk: Buffer): void => {
    text += chunk.toString()
  }
  child.stdout?.on('data', take)
  child.stderr?.on('data', take)
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output: text }))
  })
  return { child, finished, output: () => text }
}

/** Runs a program and throws with its output unless it ends with 0. */
export async function must(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, output } = await run(command, args, cwd)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${output}`)
  return output
}
