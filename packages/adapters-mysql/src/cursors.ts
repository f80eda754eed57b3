import { type CursorMove, type CursorState, type Head, type Member, unreadOf, visibleRange } from '@innerline/server-core'
import type { Database } from './database.js'
import { headColumns, headOf, memberColumns, memberOf, toOptionalSeq } from './rows.js'
import { byKey, derived, id, sql } from './sql.js'

const SLICE = 200

interface Place {
  readonly key: number
  readonly head: Head
  member: Member
  /** Countable entries up to the clamped `readSeq` of the furthest move. */
  readonly ords: Map<number, number>
  moved: boolean
}

/**
 * Reads where the members are, then moves the rows that a move raises, in single autocommitted statements of sorted
 * slices. Only GREATEST writes, so the order of calls, repeats and other nodes do not matter.
 */
export async function advanceCursors(database: Database, moves: readonly CursorMove[]): Promise<readonly (CursorState | undefined)[]> {
  const places = new Map<string, Place>()
  for (let i = 0; i < moves.length; i += SLICE) await readPlaces(database, moves.slice(i, i + SLICE), places)
  const states = moves.map((move) => advance(places.get(placeKey(move)), move))
  const raised = [...places.values()].filter((place) => place.moved)
  raised.sort((a, b) => (a.member.userId === b.member.userId ? a.key - b.key : a.member.userId < b.member.userId ? -1 : 1))
  for (let i = 0; i < raised.length; i += SLICE) await write(database, raised.slice(i, i + SLICE))
  return states
}

const placeKey = ({ conversationId, userId }: { readonly conversationId: string; readonly userId: string }): string =>
  `${conversationId} ${userId}`

/** One statement for all: a row per move, with the ord at the position it wants to read up to. */
async function readPlaces(database: Database, moves: readonly CursorMove[], places: Map<string, Place>): Promise<void> {
  const { session, cursor, message } = database.tables
  const rows = moves.map(({ conversationId, userId, readSeq }) => [id(conversationId), id(userId), readSeq ?? 0])
  const read = await database.read(
    sql`SELECT STRAIGHT_JOIN ${headColumns},${memberColumns},v.q AS wanted_seq,m.seq AS at_seq,m.ord AS at_ord FROM ${derived(
      ['sid', 'u', 'q'],
      rows,
    )} v JOIN ${session} s ON s.session_id=v.sid JOIN ${cursor} c ON c.conversation_key=s.conversation_key AND c.user_id=v.u LEFT JOIN ${message} m ON m.conversation_key=s.conversation_key AND m.seq=LEAST(v.q,s.head_seq,COALESCE(c.leave_seq,s.head_seq))`,
  )
  for (const row of read) {
    const head = headOf(row)
    const member = memberOf(row)
    const at = placeKey(member)
    let place = places.get(at)
    if (place === undefined) {
      place = { key: Number(row['conversation_key']), head, member, ords: new Map(), moved: false }
      places.set(at, place)
    }
    const seq = toOptionalSeq(row['at_seq'])
    const ord = toOptionalSeq(row['at_ord'])
    if (seq !== undefined && ord !== undefined) place.ords.set(seq, ord)
  }
}

function advance(place: Place | undefined, move: CursorMove): CursorState | undefined {
  if (place === undefined) return undefined
  const { head, member } = place
  const { to } = visibleRange(head, member)
  const readSeq = Math.max(member.readSeq, Math.min(move.readSeq ?? 0, to))
  const deliveredSeq = Math.max(member.deliveredSeq, readSeq, Math.min(move.deliveredSeq ?? 0, to))
  const moved = readSeq !== member.readSeq || deliveredSeq !== member.deliveredSeq
  if (moved) {
    // Below the floor nothing is kept; the floor's own count stands for it.
    const readOrd = readSeq === member.readSeq ? member.readOrd : (place.ords.get(readSeq) ?? head.lowOrd)
    place.member = { ...member, readSeq, deliveredSeq, readOrd: Math.max(member.readOrd, readOrd) }
    place.moved = true
  }
  return { deliveredSeq, readSeq, unread: unreadOf(head, place.member), moved }
}

/** Only cursor rows are locked: a join with the heads would wait for appends, and they for it. */
async function write(database: Database, places: readonly Place[]): Promise<void> {
  const rows = places.map(({ key, member }) => [id(member.userId), key, member.deliveredSeq, member.readSeq, member.readOrd])
  const values = derived(['u', 'k', 'd', 'r', 'o'], rows)
  await database.run(
    sql`UPDATE ${values} v STRAIGHT_JOIN ${database.tables.cursor} c ${byKey} ON c.user_id=v.u AND c.conversation_key=v.k SET c.delivered_seq=GREATEST(c.delivered_seq,v.d),c.read_seq=GREATEST(c.read_seq,v.r),c.read_ord=GREATEST(c.read_ord,v.o),c.updated_at=GREATEST(c.updated_at,${database.clock.now()})`,
  )
}
