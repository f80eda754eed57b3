import { type CursorMove, type CursorState, type Head, type Member, endOrdOf, unreadOf, visibleRange } from '@innerline/server-core'
import { type Database, rowsOf } from './database.js'
import { headColumns, headOf, memberColumns, memberOf, toOptionalSeq, toSeq, toText } from './rows.js'
import { byKey, derived, id, type Sql, sql } from './sql.js'

const SLICE = 200

/** A member's row: as it was read, and as the moves of one call want it. */
interface Place {
  readonly key: number
  readonly head: Head
  readonly before: Member
  after: Member
  /** Countable entries up to the clamped `readSeq` of each move. */
  readonly ords: Map<number, number>
}

/** Moves cursors. */
export class Cursors {
  readonly #database: Database
  /** By conversation, members whose rows somebody kept locked at the last try: others are not made to wait for that conversation again. */
  readonly #held = new Map<number, Set<string>>()

  constructor(database: Database) {
    this.#database = database
  }

  /**
   * Reads where the members are, then writes the rows that a move raises, in single autocommitted statements of sorted
   * slices. Only GREATEST writes, so the order of calls, repeats and other nodes do not matter.
   */
  async advance(moves: readonly CursorMove[]): Promise<readonly (CursorState | undefined)[]> {
    const places = new Map<string, Place>()
    for (let i = 0; i < moves.length; i += SLICE) await this.#read(moves.slice(i, i + SLICE), places)
    const states = moves.map((move) => advance(places.get(placeKey(move)), move))
    const raised = [...places.values()].filter((place) => place.after !== place.before)
    raised.sort((a, b) => (a.after.userId === b.after.userId ? a.key - b.key : a.after.userId < b.after.userId ? -1 : 1))
    const held = new Set<Place>()
    for (let i = 0; i < raised.length; i += SLICE) for (const place of await this.#write(raised.slice(i, i + SLICE))) held.add(place)
    if (held.size === 0) return states
    return moves.map((move, i) => {
      const place = places.get(placeKey(move))
      if (place === undefined || !held.has(place)) return states[i]
      const { before, head } = place
      const { deliveredSeq, readSeq } = before
      const wanted = advance({ ...place, after: before }, move)?.moved === true
      return {
        deliveredSeq,
        readSeq,
        unread: unreadOf(head, before),
        headOrd: endOrdOf(head, before),
        moved: false,
        ...(wanted ? { held: true } : {}),
      }
    })
  }

  /** One statement for all: a row per move, with the ord at the position it wants to read up to. */
  async #read(moves: readonly CursorMove[], places: Map<string, Place>): Promise<void> {
    const { session, cursor, message } = this.#database.tables
    const rows = moves.map(({ conversationId, userId, readSeq }) => [id(conversationId), id(userId), readSeq ?? 0])
    const read = await this.#database.read(
      sql`SELECT STRAIGHT_JOIN ${headColumns},${memberColumns},v.q AS wanted_seq,m.seq AS at_seq,m.ord AS at_ord FROM ${derived(
        ['sid', 'u', 'q'],
        rows,
      )} v JOIN ${session} s ON s.session_id=v.sid JOIN ${cursor} c ON c.conversation_key=s.conversation_key AND c.user_id=v.u LEFT JOIN ${message} m ON m.conversation_key=s.conversation_key AND m.seq=LEAST(v.q,s.head_seq,COALESCE(c.leave_seq,s.head_seq))`,
    )
    for (const row of read) {
      const member = memberOf(row)
      const at = placeKey(member)
      let place = places.get(at)
      if (place === undefined) {
        place = { key: toSeq(row['conversation_key']), head: headOf(row), before: member, after: member, ords: new Map() }
        places.set(at, place)
      }
      const seq = toOptionalSeq(row['at_seq'])
      const ord = toOptionalSeq(row['at_ord'])
      if (seq !== undefined && ord !== undefined) place.ords.set(seq, ord)
    }
  }

  /** The places whose rows somebody keeps locked; all others are written. */
  async #write(places: readonly Place[]): Promise<readonly Place[]> {
    const apart = places.filter(({ key }) => this.#held.has(key))
    const rest = places.filter(({ key }) => !this.#held.has(key))
    const held = apart.length === 0 ? [] : [...(await this.#writeFree(apart))]
    if (rest.length > 0 && (await this.#database.runUnlessHeld(this.#update(rest))) === undefined)
      held.push(...(await this.#writeFree(rest)))
    for (const { key, after } of apart) this.#forget(key, after.userId)
    for (const { key, after } of held) this.#held.set(key, (this.#held.get(key) ?? new Set()).add(after.userId))
    return held
  }

  #forget(key: number, userId: string): void {
    const users = this.#held.get(key)
    if (users?.delete(userId) && users.size === 0) this.#held.delete(key)
  }

  /** Only those that nobody holds, told apart and written under their locks. Gives back the others. */
  #writeFree(places: readonly Place[]): Promise<readonly Place[]> {
    const rows = places.map(({ key, after }) => [id(after.userId), key])
    return this.#database.transaction(async (transaction) => {
      const [locked] = await transaction.begin(
        sql`SELECT c.user_id,c.conversation_key FROM ${derived(['u', 'k'], rows)} v STRAIGHT_JOIN ${
          this.#database.tables.cursor
        } c ${byKey} ON c.user_id=v.u AND c.conversation_key=v.k FOR UPDATE SKIP LOCKED`,
      )
      const free = new Set(rowsOf(locked).map((row) => `${toSeq(row['conversation_key'])} ${toText(row['user_id'])}`))
      const isFree = ({ key, after }: Place): boolean => free.has(`${key} ${after.userId}`)
      const written = places.filter(isFree)
      await transaction.commit(...(written.length === 0 ? [] : [this.#update(written)]))
      return places.filter((place) => !isFree(place))
    })
  }

  /** Only cursor rows are locked: a join with the heads would wait for appends, and they for it. */
  #update(places: readonly Place[]): Sql {
    const rows = places.map(({ key, after }) => [id(after.userId), key, after.deliveredSeq, after.readSeq, after.readOrd])
    const { clock, tables } = this.#database
    return sql`UPDATE ${derived(['u', 'k', 'd', 'r', 'o'], rows)} v STRAIGHT_JOIN ${tables.cursor} c ${byKey} ON c.user_id=v.u AND c.conversation_key=v.k SET c.delivered_seq=GREATEST(c.delivered_seq,v.d),c.read_seq=GREATEST(c.read_seq,v.r),c.read_ord=GREATEST(c.read_ord,v.o),c.updated_at=GREATEST(c.updated_at,${clock.now()})`
  }
}

const placeKey = ({ conversationId, userId }: { readonly conversationId: string; readonly userId: string }): string =>
  `${conversationId} ${userId}`

function advance(place: Place | undefined, move: CursorMove): CursorState | undefined {
  if (place === undefined) return undefined
  const { head, after: member } = place
  const { to } = visibleRange(head, member)
  const readSeq = Math.max(member.readSeq, Math.min(move.readSeq ?? 0, to))
  const deliveredSeq = Math.max(member.deliveredSeq, readSeq, Math.min(move.deliveredSeq ?? 0, to))
  const moved = readSeq !== member.readSeq || deliveredSeq !== member.deliveredSeq
  if (moved) {
    // Below the floor nothing is kept; the floor's own count stands for it.
    const readOrd = readSeq === member.readSeq ? member.readOrd : (place.ords.get(readSeq) ?? head.lowOrd)
    place.after = { ...member, readSeq, deliveredSeq, readOrd: Math.max(member.readOrd, readOrd) }
  }
  return { deliveredSeq, readSeq, unread: unreadOf(head, place.after), headOrd: endOrdOf(head, place.after), moved }
}
