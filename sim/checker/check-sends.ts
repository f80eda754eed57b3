import { place } from './check-log.js'
import { groupBy, type Attempt, type LoggedEntry, type SendHistory, type Violation } from './history.js'

/**
 * Every `send()` has an end, and a true one. A refusal that the client has taken back (`revived`) is the one lie allowed: its first attempt
 * sat on another node.
 */
export function checkSends(sends: readonly SendHistory[], log: readonly LoggedEntry[]): Violation[] {
  const stored = new Map(log.map((entry) => [entry.msgId, entry]))
  const found: Violation[] = []
  for (const send of sends) {
    const { app, msgId, outcome, appEnded, revived, conversationId } = send
    const what = `${msgId} of ${app} in ${conversationId}`
    const entry = stored.get(msgId)
    if (outcome === undefined) {
      if (!appEnded) found.push({ rule: 'send-open', detail: `${what} was never settled${entry === undefined ? '' : ' and is committed'}` })
    } else if (outcome.ok) {
      if (entry === undefined) found.push({ rule: 'send-untrue', detail: `${what} was settled as ${outcome.seq} and is not stored` })
      else if (entry.seq !== outcome.seq || entry.ord !== outcome.ord || entry.timestamp !== outcome.timestamp)
        found.push({
          rule: 'send-untrue',
          detail: `${what} was settled as ${outcome.seq}/${outcome.ord} and is ${place(entry)}/${entry.ord}`,
        })
    } else if (entry !== undefined && !revived && !appEnded && outcome.code !== 'CLIENT_CLOSED') {
      found.push({ rule: 'send-untrue', detail: `${what} was refused with ${outcome.code} and is stored as ${place(entry)}` })
    }
  }
  found.push(...checkCallOrder(sends, stored))
  return found
}

/** What one run of an app sent to one conversation is committed in the order of the calls. */
function checkCallOrder(sends: readonly SendHistory[], stored: ReadonlyMap<string, LoggedEntry>): Violation[] {
  const found: Violation[] = []
  for (const [key, own] of groupBy(sends, ({ app, conversationId }) => `${app} in ${conversationId}`)) {
    let last = 0
    for (const { msgId, outcome, unordered } of own) {
      const seq = stored.get(msgId)?.seq
      // What was refused and tried again by hand goes behind what was sent meanwhile.
      if (seq === undefined || outcome?.ok === false || unordered === true) continue
      if (seq < last) found.push({ rule: 'send-order', detail: `${key}: ${msgId} became ${seq} after a later call had become ${last}` })
      last = Math.max(last, seq)
    }
  }
  return found
}

/** Every entry has the id under which somebody sent it: another one is a message that was sent once and stored twice. */
export function checkOrigins(sent: ReadonlySet<string>, log: readonly LoggedEntry[]): Violation[] {
  return log.flatMap((entry): Violation[] =>
    sent.has(entry.msgId)
      ? []
      : [{ rule: 'foreign-entry', detail: `${place(entry)} holds ${entry.msgId}, an id that nobody gave to a message` }],
  )
}

/** Sends as attempts that the rules on acknowledgements understand. */
export const attemptsOf = (sends: readonly SendHistory[]): readonly Attempt[] =>
  sends.map(({ app: writer, conversationId, msgId, userId: fromUserId, content, startedAt, endedAt, outcome }) => ({
    ...{ writer, conversationId, msgId, fromUserId, content, countable: true, startedAt, endedAt },
    // What only the client has decided (a cancel, an age) says nothing of the server.
    // Nor does it know whether it was the one that made the entry.
    outcome: outcome?.ok === true ? { ...outcome, duplicate: true } : undefined,
  }))
