import type { Mutant } from './mutant.js'

const ENTRY = 'packages/server-core/src/delivery/conversation-entry.ts'
const MEMBERS = 'packages/server-core/src/delivery/local-members.ts'
const INDEX = 'packages/server-core/src/delivery/member-index.ts'
const CONNECTION = 'packages/server-core/src/gateway/connection.ts'
const GATEWAY = 'packages/server-core/src/gateway/gateway.ts'
const PAGES = 'packages/server-core/src/app/page-reader.ts'
const READ = 'packages/server-core/src/app/read-messages.ts'
const ACKNOWLEDGE = 'packages/server-core/src/app/acknowledge.ts'

const joinRunningRead = [
  {
    file: PAGES,
    find: '    if (this.#running < this.#options.concurrency) return this.#issue(range)\n',
    replace: '',
  },
  {
    file: PAGES,
    find: '    if (same !== undefined) return same.result\n',
    replace:
      '    if (same !== undefined) return same.result\n' +
      '    const running = this.#issued.get(key)\n' +
      '    if (running !== undefined) return running\n' +
      '    if (this.#running < this.#options.concurrency) {\n' +
      '      const issued = this.#issue(range).finally(() => this.#issued.delete(key))\n' +
      '      this.#issued.set(key, issued)\n' +
      '      return issued\n' +
      '    }\n',
  },
  {
    file: PAGES,
    find: '  #running = 0\n',
    replace: '  #running = 0\n  readonly #issued = new Map<string, Promise<MessageSlice>>()\n',
  },
]

/** Bugs of a node. */
export const nodeMutants: readonly Mutant[] = [
  {
    name: 'watermark-skips-hole',
    says: 'a frame from beyond a hole goes out at once, and the watermark with it',
    edits: [{ file: ENTRY, find: 'if (batch.firstSeq <= w + 1 && !this.#busy', replace: 'if (!this.#busy' }],
  },
  {
    name: 'watermark-drops-late-frame',
    says: 'the feed moves the watermark, so a frame that comes after it is taken for one that went out',
    edits: [
      {
        file: ENTRY,
        find: '    if (this.#watermark !== undefined && seq <= this.#watermark) return\n    this.#fillNow = true\n',
        replace: '    if (this.#watermark !== undefined) this.#watermark = Math.max(this.#watermark, seq)\n',
      },
    ],
  },
  {
    name: 'attach-after-heads',
    says: 'a connection is attached to the fan-out after the heads of its summary were read',
    edits: [
      {
        file: INDEX,
        find: '    const slot = this.#slotFor(subscriber.userId)\n    slot.subscribers.add(subscriber)\n',
        replace:
          '    const summary = await this.#options.summary(subscriber.userId)\n' +
          '    const slot = this.#slotFor(subscriber.userId)\n    slot.subscribers.add(subscriber)\n',
      },
      { file: INDEX, find: '    const summary = await this.#options.summary(subscriber.userId)\n    if', replace: '    if' },
    ],
  },
  {
    name: 'lag-cleared-early',
    says: 'a lag ends before the socket has taken what it was given',
    rare: true,
    edits: [
      {
        file: CONNECTION,
        find: 'this.socket.onceDrained(() => this.endLag())',
        replace: 'this.host.context.clock.soon(() => this.endLag())',
      },
      { file: CONNECTION, find: '!this.queue.lagging || this.socket.bufferedBytes > 0)', replace: '!this.queue.lagging)' },
    ],
  },
  {
    name: 'entry-at-head-read-then',
    says: 'a conversation that a frame brings up begins at its head as it is by then, above that frame',
    edits: [
      { file: INDEX, find: 'if (firstSeq > 0 && named.some(', replace: 'if (firstSeq < 0 && named.some(' },
      // What a newcomer is owed from below would make up for it.
      { file: MEMBERS, find: 'if (known === undefined) this.#owe(slot, Math.max(joinSeq, visibleFrom))\n', replace: '' },
    ],
  },
  {
    name: 'ack-of-old-epoch',
    says: 'positions of an epoch that is over are taken, and clamped to whatever the log is now',
    edits: [
      {
        file: ACKNOWLEDGE,
        find: 'if (epoch !== undefined && epoch !== this.#options.epoch())',
        replace: 'if (epoch !== undefined && epoch < 0)',
      },
      { file: ACKNOWLEDGE, find: 'if (pending?.epoch !== epoch) {', replace: 'if (pending === undefined) {' },
      {
        file: ACKNOWLEDGE,
        find: '      if (pending.epoch === epoch) return true\n',
        replace: '      if (pending.epoch <= epoch) return true\n',
      },
    ],
  },
  {
    name: 'page-joins-running-read',
    says: 'a page of the newest is answered from a read that was under way before it was asked for',
    rare: true,
    edits: [
      ...joinRunningRead,
      // A page ends at the head that its own request has read: up to there a read that began earlier has the same entries.
      {
        file: READ,
        find: 'return this.#options.pages.read({ conversationId, from, to, direction, limit })',
        replace: 'return this.#options.pages.read({ conversationId, from, to: Number.MAX_SAFE_INTEGER, direction, limit })',
      },
    ],
  },
  {
    name: 'attach-joins-running-attach',
    says: 'who asks to be attached again is given the attach that is under way, which may have read before',
    edits: [
      {
        file: GATEWAY,
        find:
          '      asked.next ??= asked.running.then(\n' +
          '        () => this.attach(connection),\n' +
          '        () => this.attach(connection),\n' +
          '      )\n' +
          '      return asked.next\n',
        replace: '      return asked.running\n',
      },
    ],
  },
]
