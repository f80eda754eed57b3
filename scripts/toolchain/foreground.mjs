import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from './run.mjs'

/**
 * Runs a TypeScript program in the foreground: the terminal is its own, signals reach it, and our exit code becomes its.
 * `folder` (from the root) is its working directory.
 */
export function runTypeScript(folder, file, args) {
  runFile(['--import', 'tsx'], file, args, folder)
}

/** The same for a file that Node runs as it stands, after `options` for Node itself. */
export function runFile(options, file, args, folder = '.') {
  const child = spawn(process.execPath, [...options, file, ...args], { cwd: join(root, folder), stdio: 'inherit' })
  // A terminal sends Ctrl-C to the whole process group; passing it on as well would tell the child twice.
  const forward = (signal) => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward)
  // npm runs us through a shell that dies of a SIGTERM without passing it on; being handed to another parent is then all we see of it.
  const parent = process.ppid
  if (process.env.npm_lifecycle_event !== undefined && process.platform !== 'win32')
    setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 250).unref()
  child.once('error', (error) => {
    console.error(`innerline: cannot start ${file}: ${error.message}`)
    process.exit(1)
  })
  child.once('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)))
}
