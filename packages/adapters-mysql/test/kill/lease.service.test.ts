import { randomBytes } from 'node:crypto'
import { type FeedPosition, isImError } from '@innerline/server-core'
import { describe, expect, it } from 'vitest'
import { FreezingRelay } from './freezing-relay.js'
import { messageOf, monotonicNow, sleep } from './messages.js'
import { privateServers } from './private-server.js'
import { type KillTarget, openTarget, type TargetSpec } from './target.js'

const TTL_MS = 400
const TAKE_OVER_MS = 8_000

interface Outcome {
  /** What the late save was told; undefined when it was accepted. */
  readonly refusal: string | undefined
  readonly fences: readonly [number, number]
  /** Where the reader stands in the end: as the first holder or as its successor wrote it. */
  readonly position: 'first' | 'successor'
}

/**
 * A holder of a lease is held up with `pattern` on its way to the server, past the lease's end; another takes over and saves; then what was
 * held up arrives. The checker cannot see this one: a reader that is set back gets its changes twice, which it may.
 */
async function lateSave(uri: string, spec: Pick<TargetSpec, 'kind' | 'fault'>, pattern: RegExp): Promise<Outcome> {
  const namespace = `l${randomBytes(5).toString('hex')}`
  const relay = await FreezingRelay.start(uri)
  const first = openTarget({ ...spec, uri: relay.through(uri), namespace })
  const successor = openTarget({ ...spec, uri, namespace })
  try {
    await first.start()
    await successor.start()
    const name = 'reader'
    const { position: before } = await first.openReader(name)
    const after = await laterPosition(successor, namespace)
    const lease = await first.acquireLease({ name, holder: 'first', ttlMs: TTL_MS })
    if (lease === undefined) throw new Error('A free lease was not given.')
    const heldUp = relay.trap(pattern, 'request', () => undefined)
    const late = first.saveReader({ name, position: before, lease }).then(
      () => undefined,
      (error: unknown) => (isImError(error) ? error.code : String(error)),
    )
    await heldUp
    const taken = await takeOver(successor, name)
    await successor.saveReader({ name, position: after, lease: taken })
    relay.release()
    const refusal = await late
    const { position } = await successor.openReader(name)
    return { refusal, fences: [lease.fence, taken.fence], position: position.id === after.id ? 'successor' : 'first' }
  } finally {
    await first.close()
    await successor.close()
    await relay.stop()
  }
}

async function laterPosition(target: KillTarget, namespace: string): Promise<FeedPosition> {
  const conversationId = `g~${namespace}`
  await target.openConversation({ conversationId, chatType: 'group', userIds: ['user-0'], nodeId: 'n', now: Date.now() })
  const items = [messageOf(namespace, conversationId, 'user-0')]
  await target.appendMessages({ nodeId: 'n', now: Date.now(), items })
  return target.startPosition()
}

async function takeOver(target: KillTarget, name: string) {
  for (const deadline = monotonicNow() + TAKE_OVER_MS; monotonicNow() < deadline; await sleep(20)) {
    // While a transaction of the first holder keeps the lease's row, asking for it may time out.
    const lease = await target.acquireLease({ name, holder: 'successor', ttlMs: TAKE_OVER_MS }).catch(() => undefined)
    if (lease !== undefined) return lease
  }
  throw new Error('The lease was not given although its time had passed.')
}

describe.each(privateServers)('%s, a holder that comes too late', (name) => {
  const uri = process.env[name === 'mariadb' ? 'MARIADB_URL' : 'MYSQL9_URL'] ?? ''

  it.concurrent.each([
    ['asks whether it still holds it', /t_im_lease[^;]*FOR UPDATE/],
    ['writes what it may have been allowed to', /(INSERT INTO|UPDATE) [^;]*t_im_reader\W/],
  ])('changes nothing when it is held up as it %s', async (_, pattern) => {
    const { refusal, fences, position } = await lateSave(uri, { kind: 'adapter' }, pattern)
    expect(['STATE_CONFLICT', 'UNAVAILABLE']).toContain(refusal)
    expect(fences[1]).toBeGreaterThan(fences[0])
    expect(position).toBe('successor')
  })

  it.concurrent('sets the reader back where the save is not fenced, and is refused where it is', async () => {
    const pattern = /UPDATE [^;]*_reader\W/
    expect(await lateSave(uri, { kind: 'reference', fault: 'lease-without-fence' }, pattern)).toMatchObject({
      refusal: undefined,
      position: 'first',
    })
    expect(await lateSave(uri, { kind: 'reference' }, pattern)).toMatchObject({ refusal: 'STATE_CONFLICT', position: 'successor' })
  })
})
