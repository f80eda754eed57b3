import { BackendRefused } from './backends.js'
import { type Demo, startDemo } from './server.js'

/** How long clients are sent away before the process ends, in ms. Short: here nobody waits on the other node. */
const DRAIN_MS = 500
const PARENT_MS = 250

function portFrom(text = '3000'): number {
  const port = Number(text)
  if (text.trim() !== '' && Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  return end(`PORT must be a whole number from 0 to 65535; it is ${JSON.stringify(text)}.`)
}

function end(sentence: string): never {
  console.error(sentence)
  process.exit(1)
}

function explain(error: unknown, port: number): string {
  if (error instanceof BackendRefused) return error.message
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return `Port ${port} is in use. Choose another one: PORT=${port === 3000 ? 3001 : 3000} npm start`
  if (code === 'EACCES') return `Port ${port} may not be opened by this user. Choose one above 1023 with PORT.`
  return `The demo could not start: ${message}`
}

const port = portFrom(process.env['PORT'])
let demo: Demo
try {
  demo = await startDemo({
    port,
    env: process.env,
    logger: { debug() {}, info() {}, warn() {}, error: (fields, text) => console.error(text, fields) },
  })
} catch (error) {
  end(explain(error, port))
}
console.log(`Innerline demo: ${demo.url}  (and ${demo.url}/?duo for two people side by side)`)
const kept = process.env['MYSQL_URL']
  ? 'Messages are kept in the database that MYSQL_URL names.'
  : 'Everything is in memory: messages are gone when this process ends.'
console.log(`${kept} Users alice, bob, carol, dave, … with the password demo.`)

let leaving = false
function leave(): void {
  // A second signal does not wait.
  if (leaving) process.exit(1)
  leaving = true
  demo.close({ spreadMs: DRAIN_MS }).then(
    () => process.exit(0),
    (error: unknown) => end(`The demo did not stop cleanly: ${String(error)}`),
  )
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, leave)

// A killed `npm start` tells us nothing; being handed to another parent is all we see of it. Else the next one would find the port taken.
const parent = process.ppid
if (process.env['npm_lifecycle_event'] !== undefined && process.platform !== 'win32')
  setInterval(() => process.ppid !== parent && !leaving && leave(), PARENT_MS).unref()
