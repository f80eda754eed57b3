import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from './run.mjs'

/**
 * Runs a TypeScript program in the foreground: the terminal is its own, signals reach it, and our exit code becomes its.
 * `folder` (from the root) is its working directory.
 */
export function runTypeScript(folder, file, args) {
  const child = spawn(process.execPath, ['--import', 'tsx', file, ...args], { cwd: join(root, folder), stdio: 'inherit' })
  // A terminal sends Ctrl-C to the whole process group; passing it on as well would tell the child twice.
  const forward = (signal) => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward)
  child.once('error', (error) => {
    console.error(`innerline: cannot start ${file}: ${error.message}`)
    process.exit(1)
  })
  child.once('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)))
}
