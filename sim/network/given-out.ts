import type { Summary } from '@innerline/protocol'
import type { Violation } from '../checker/index.js'

/** The four subscriptions of the SDK have one-letter ids; these two carry what is followed here. */
const LOG = 'MESSAGE\nsubscription:m\n'
const SESSION = 'MESSAGE\nsubscription:s\n'
const ID = /\nmessage-id:([^\n]+)\\c(\d+)\n/

/**
 * What a node has given one connection, held to the node's own promise, which the SDK's care would hide: from the summary on every seq
 * of a conversation once and ascending, holes only where it said `lag` or `resync` and up to the summary that covers them, and no
 * message while it has told of a lag that has not drained.
 */
export class GivenOut {
  readonly #report: (rule: Violation['rule'], detail: string) => void
  readonly #isMember: (conversationId: string) => boolean
  readonly #known = new Map<string, number>()
  readonly #covered = new Map<string, number>()
  readonly #owed = new Map<string, number>()
  #attaching = true
  #lagging = false
  /** Nothing has been dropped since the attach under way began, so that its summary covers everything. */
  #sound = false
  #epoch = 0
  #void = false
  /** Of the summaries that are queued, whether each covers everything. */
  readonly #summaries: boolean[] = []

  constructor(isMember: (conversationId: string) => boolean, report: (rule: Violation['rule'], detail: string) => void) {
    this.#isMember = isMember
    this.#report = report
  }

  /** Whether no hole is left that it was told of: the last lag or resync was followed by a summary that covers it. */
  get isSettled(): boolean {
    return !this.#attaching && !this.#void
  }

  /** The socket has taken everything. */
  drained(): void {
    this.#lagging = false
  }

  /** The node has lost its place in the feed: it will say so, and may leave holes until it has attached everybody again. */
  doubted(): void {
    this.#attaching = true
    this.#sound = false
  }

  /** The log is another one from this epoch on; what is given before the node knows it means nothing. */
  restored(epoch: number): void {
    this.#epoch = epoch
    this.#void = true
    this.doubted()
  }

  /** The node begins an attach; while it drops messages, that proves nothing. `epoch` is the one it believes in. */
  attachBegins(lagging: boolean, epoch: number): void {
    this.#sound = !lagging
    if (!this.#void || epoch < this.#epoch) return
    for (const map of [this.#known, this.#covered, this.#owed]) map.clear()
    this.#void = false
  }

  /** It has ended well: its summary is queued, and whatever happens now comes after it. */
  attachEnded(): void {
    this.#summaries.push(this.#sound)
  }

  write(frame: Uint8Array): void {
    const start = (frame as Buffer).toString('latin1', 0, 400)
    if (start.startsWith(LOG)) this.#message(start)
    else if (start.startsWith(SESSION)) this.#event((frame as Buffer).toString())
  }

  #message(head: string): void {
    const [, conversationId = '', digits] = ID.exec(head) ?? []
    const seq = Number(digits)
    const at = `${conversationId}#${seq}`
    if (!this.#isMember(conversationId)) this.#report('beyond-membership', `is given ${at} without being a member`)
    if (this.#void) return
    if (this.#lagging) this.#report('wire-lag', `is given ${at} though its lag has not drained`)
    const top = this.#known.get(conversationId)
    if (top !== undefined && seq <= top) {
      if (seq > (this.#covered.get(conversationId) ?? 0)) this.#report('wire-repeat', `is given ${at} after ${top}`)
    } else if (seq > (top ?? 0) + 1) {
      if (this.#attaching) this.#owed.set(conversationId, seq - 1)
      else this.#report('wire-hole', `is given ${at} after ${top ?? 'nothing'}`)
    }
    this.#known.set(conversationId, Math.max(top ?? 0, seq))
  }

  #event(text: string): void {
    if (text.includes('"event":"lag"')) {
      this.#attaching = true
      this.#lagging = true
      this.#sound = false
    } else if (text.includes('"event":"resync"')) this.#attaching = true
    else if (text.includes('"event":"summary"')) this.#summary(JSON.parse(text.slice(text.indexOf('\n\n') + 2, -1)) as Summary)
  }

  #summary({ conversations, epoch }: Summary): void {
    const sound = this.#summaries.shift() === true
    if (epoch < this.#epoch || this.#void) return
    for (const { conversationId, headSeq } of conversations) {
      this.#known.set(conversationId, Math.max(this.#known.get(conversationId) ?? 0, headSeq))
      this.#covered.set(conversationId, Math.max(this.#covered.get(conversationId) ?? 0, headSeq))
    }
    if (!sound) return
    this.#attaching = false
    for (const [conversationId, seq] of this.#owed) {
      if ((this.#covered.get(conversationId) ?? 0) < seq) this.#report('wire-hole', `no summary covers ${conversationId} up to ${seq}`)
    }
    this.#owed.clear()
  }
}
