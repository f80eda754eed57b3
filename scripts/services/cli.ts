import { commandLine, endRecorded } from './instance.js'
import { isAlive, readRecords, type RunRecord } from './folders.js'
import { endOrphans, services, serviceNamed, startService } from './provide.js'
import { urlFromEnvironment } from './service.js'

const USAGE = `node scripts/services/main.mjs start|stop|status [service …] [--json]

  start   starts private instances (by default mariadb) and prints their URLs; one that was started before is named again,
          or started again on its data and port when it has been killed
  stop    ends those that start has started
  status  lists what runs, the instances of test runs included

Services: ${services.map(({ name }) => name).join(', ')}.`

interface Line {
  readonly name: string
  readonly variable: string
  readonly url: string
  readonly source: string
}

const [command = '', ...rest] = process.argv.slice(2)
const json = rest.includes('--json')
const names = rest.filter((word) => !word.startsWith('--'))
for (const name of names) serviceNamed(name)

const runs = (folder: string, { pid }: RunRecord): boolean => pid !== undefined && isAlive(pid) && commandLine(pid).includes(folder)
/** Those that a person started, which alone are ours to name again or to end. */
const standing = () => readRecords().filter(({ record }) => record.ownerPid === undefined)
const wanted = ({ service }: RunRecord): boolean => names.length === 0 || names.includes(service)

async function start(name: string): Promise<Line> {
  const service = serviceNamed(name)
  const [variable] = service.variables
  const given = urlFromEnvironment(service, process.env)
  if (given !== undefined) return { name, variable, url: given, source: 'from the environment' }
  const mine = standing().filter(({ record }) => record.service === name)
  const there = mine.find(({ folder, record }) => runs(folder, record))
  if (there !== undefined) return { name, variable, url: there.record.url, source: there.record.source }
  const ended = mine.find(({ record }) => record.container === undefined)
  const again = ended && { folder: ended.folder, port: ended.record.port }
  const { url, source } = await startService(name, { detached: true, again })
  return { name, variable, url, source }
}

async function main(): Promise<void> {
  if (command === 'start') {
    const lines: Line[] = []
    for (const name of names.length === 0 ? ['mariadb'] : names) lines.push(await start(name))
    if (json) console.log(JSON.stringify(Object.fromEntries(lines.map(({ name, ...line }) => [name, line]))))
    else for (const { variable, url, source } of lines) console.log(`${variable}=${url}  # ${source}`)
    const forDemo = json ? undefined : lines.find(({ url }) => url.startsWith('mysql:'))
    if (forDemo !== undefined) console.log(`# The demo on it: MYSQL_URL=${forDemo.url} npm start`)
  } else if (command === 'stop') {
    await endOrphans()
    for (const { folder, record } of standing().filter(({ record }) => wanted(record))) {
      await endRecorded(folder, record)
      console.log(`stopped ${record.service} on port ${record.port}`)
    }
  } else if (command === 'status') {
    const all = readRecords().filter(({ record }) => wanted(record))
    const listed = all.map(({ folder, record }) => ({ ...record, folder, running: runs(folder, record) }))
    if (json) console.log(JSON.stringify(listed))
    for (const { service, url, source, running, ownerPid } of json ? [] : listed)
      console.log(`${service} ${running ? url : 'has ended'}  # ${source}${ownerPid === undefined ? '' : `, of process ${ownerPid}`}`)
    if (!json && listed.length === 0) console.log('Nothing runs.')
  } else {
    console.error(USAGE)
    process.exitCode = 2
  }
}

await main().catch((error: unknown) => {
  console.error(`innerline: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})
