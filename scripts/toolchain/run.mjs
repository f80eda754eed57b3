import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The repository's root, with a trailing slash. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

/**
 * Runs a program from the root. `quiet` keeps its output (both streams, in order) in `output` instead of showing it.
 * A signal that reaches us is passed on, and the answer then is that signal's exit code. Never rejects.
 */
export function run(command, args, { quiet = false, cwd = root, env = {}, timeoutMs } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
      shell: process.platform === 'win32',
    })
    const chunks = []
    child.stdout?.on('data', (chunk) => chunks.push(chunk))
    child.stderr?.on('data', (chunk) => chunks.push(chunk))
    const forward = (signal) => child.kill(signal)
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
    for (const signal of signals) process.on(signal, forward)
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    const settle = (code, output) => {
      clearTimeout(timer)
      for (const signal of signals) process.off(signal, forward)
      resolve({ code, output })
    }
    child.once('error', (error) => settle(127, `${command}: ${error.message}`))
    child.once('close', (code, signal) => settle(code ?? (signal === 'SIGINT' ? 130 : 143), Buffer.concat(chunks).toString()))
  })
}
