import { parseArgs } from 'node:util'
import { conformanceCases, innerline, runCase, type Target, topicBroker } from './index.js'
import type { Header } from './raw-client.js'

const usage = `npx tsx e2e/stomp-conformance/run.ts --url ws://host:port/path [options]

  --url            the WebSocket URL                                    (STOMP_URL)
  --authorization  value of CONNECT's Authorization header              (STOMP_AUTHORIZATION)
  --login          value of CONNECT's login header                      (STOMP_LOGIN)
  --passcode       value of CONNECT's passcode header                   (STOMP_PASSCODE)
  --profile        innerline (default) or topic                         (STOMP_PROFILE)
  --peer           innerline: whom the user may write to, default bob   (STOMP_PEER)
  --topic          topic: destination, default /topic/conformance       (STOMP_TOPIC)
  --only           run only cases whose id contains this
  --slow           run cases that wait for time limits, too
  --timeout        longest wait for one answer in ms, default 5000`

const option = { type: 'string' } as const
const { values } = parseArgs({
  options: {
    url: option,
    authorization: option,
    login: option,
    passcode: option,
    profile: option,
    peer: option,
    topic: option,
    only: option,
    timeout: option,
    slow: { type: 'boolean' },
    help: { type: 'boolean' },
  },
})

const env = (name: string): string | undefined => process.env[`STOMP_${name}`]
const url = values.url ?? env('URL')

if (values.help === true || url === undefined) {
  console.log(usage)
  process.exit(values.help === true ? 0 : 2)
}

const credentials = [
  ['Authorization', values.authorization ?? env('AUTHORIZATION')],
  ['login', values.login ?? env('LOGIN')],
  ['passcode', values.passcode ?? env('PASSCODE')],
].filter((header): header is [string, string] => header[1] !== undefined) satisfies Header[]

const profileName = values.profile ?? env('PROFILE') ?? 'innerline'
if (profileName !== 'innerline' && profileName !== 'topic') {
  console.log(`There is no profile ${profileName}.\n\n${usage}`)
  process.exit(2)
}
const profile =
  profileName === 'innerline'
    ? innerline(values.peer ?? env('PEER') ?? 'bob')
    : topicBroker(values.topic ?? env('TOPIC') ?? '/topic/conformance')
const target: Target = { url, credentials, profile, timeoutMs: Number(values.timeout ?? 5_000) }

const counts = { pass: 0, fail: 0, skip: 0 }
for (const one of conformanceCases) {
  if (values.only !== undefined && !one.id.includes(values.only)) continue
  const reason = one.applies?.(profile) === false ? 'not in this profile' : one.slow === true && values.slow !== true ? 'slow' : undefined
  if (reason !== undefined) {
    counts.skip++
    console.log(`skip  ${one.id} (${reason})`)
    continue
  }
  try {
    await runCase(one, target)
    counts.pass++
    console.log(`pass  ${one.id}`)
  } catch (error) {
    counts.fail++
    console.log(`FAIL  ${one.id}: ${one.title}\n      ${(error as Error).message.replaceAll('\n', '\n      ')}`)
  }
}
console.log(`${counts.pass} passed, ${counts.fail} failed, ${counts.skip} skipped`)
// A run in which nothing ran says nothing about the server.
process.exit(counts.fail > 0 || counts.pass === 0 ? 1 : 0)
