import type { Mutant } from './mutant.js'

const OUTBOX = 'packages/sdk-client/src/outbox/outbox.ts'
const CLIENT = 'packages/sdk-client/src/client.ts'
const CONVERSATION = 'packages/sdk-client/src/conversation/conversation.ts'
const POSITION = 'packages/sdk-client/src/conversation/position.ts'
const STORE = 'packages/sdk-client/src/store/memory.ts'

/** Bugs of the client. */
export const clientMutants: readonly Mutant[] = [
  {
    name: 'retry-with-new-id',
    says: 'a message whose receipt was lost is sent again under a new msgId',
    edits: [
      {
        file: OUTBOX,
        find: "      case 'sending':\n        if (!ports.send(",
        replace:
          "      case 'sending':\n" +
          '        if (before.written) {\n' +
          '          entries.delete(msgId)\n' +
          '          void store.deleteOutbox(msgId)\n' +
          '          entry.record = { ...record, msgId: ports.ids.uuid() }\n' +
          '          entries.set(entry.record.msgId, entry)\n' +
          '          void save(entry)\n' +
          '          return enter(entry, { ...before, written: false }, event)\n' +
          '        }\n' +
          '        if (!ports.send(',
      },
    ],
  },
  {
    name: 'resend-with-new-id-after-reload',
    says: 'what an earlier run of the app left unsettled is sent again under a new msgId',
    edits: [
      {
        file: OUTBOX,
        find: '      entries = new Map(records.map((record) => [record.msgId, entryOf(record, clock)]))\n',
        replace:
          '      for (const { msgId } of records) void store.deleteOutbox(msgId)\n' +
          '      const renamed = records.map((record) => ({ ...record, msgId: ports.ids.uuid() }))\n' +
          '      entries = new Map(renamed.map((record) => [record.msgId, entryOf(record, clock)]))\n',
      },
    ],
  },
  {
    name: '404-taken-for-a-no',
    says: 'a message without a receipt is looked up, and given up when the service does not know it yet',
    rare: true,
    edits: [
      {
        file: OUTBOX,
        find: "          move(entry, { type: 'refused', error: new ImError('ACK_TIMEOUT') })\n",
        replace:
          "          move(entry, { type: 'refused', error: new ImError('ACK_TIMEOUT') })\n" +
          '          ;(ports as unknown as { lookUp(msgId: string): Promise<unknown> })\n' +
          '            .lookUp(msgId)\n' +
          "            .catch((error: ImError) => error.code === 'NOT_FOUND' && move(entry, { type: 'refused', error }))\n",
      },
      {
        file: CLIENT,
        find: "    probe: () => dispatch({ type: 'wake' }),\n",
        replace:
          "    probe: () => dispatch({ type: 'wake' }),\n" +
          "    ...{ lookUp: (msgId: string) => request<unknown>('GET', '/api/im/messages/' + msgId) },\n",
      },
    ],
  },
  {
    name: 'receipt-moves-position',
    says: 'a receipt moves the position to its seq, past entries that are not held',
    edits: [
      {
        file: CONVERSATION,
        find: '    committed: view.committed,\n',
        replace:
          '    committed(message) {\n' +
          '      view.committed(message)\n' +
          '      if (!position.opened) return\n' +
          '      const { seq } = message\n' +
          '      position = { ...position, last: Math.max(position.last, seq), head: Math.max(position.head, seq) }\n' +
          '      acks.delivered(id, seq)\n' +
          '    },\n',
      },
    ],
  },
  {
    name: 'position-apart-from-rows',
    says: 'the position and its rows are stored one after the other',
    rare: true,
    edits: [
      {
        file: CONVERSATION,
        find: '    const had = await store.apply(id, ports.epoch(), from, rows)\n',
        replace:
          '    const marking = store as unknown as { mark(id: string, epoch: number, last: number): Promise<void> }\n' +
          '    await marking.mark(id, ports.epoch(), from + rows.length)\n' +
          '    const had = await store.apply(id, ports.epoch(), from, rows)\n',
      },
      {
        file: STORE,
        find: '    async rows(id, fromSeq, toSeq) {\n',
        replace:
          '    ...{\n' +
          '      async mark(id: string, epoch: number, last: number) {\n' +
          '        const held = data().conversations.get(id) ?? { lowSeq: 0, rows: [] }\n' +
          '        if (epoch === data().epoch) data().conversations.set(id, Object.assign(held, { last }))\n' +
          '      },\n' +
          '    },\n' +
          '    async rows(id, fromSeq, toSeq) {\n',
      },
      {
        file: STORE,
        find: 'return held && { lowSeq: held.lowSeq, lastSeq: held.lowSeq + held.rows.length }',
        replace:
          'return held && { lowSeq: held.lowSeq, lastSeq: Math.max(held.lowSeq + held.rows.length, (held as { last?: number }).last ?? 0) }',
      },
    ],
  },
  {
    name: 'live-event-lost',
    says: 'what comes live is stored and shown, and the application is not told of it',
    edits: [
      {
        file: CONVERSATION,
        find: "if (message.seq > had) events.emit('message'",
        replace: "if (message.seq > had && origin === 'sync') events.emit('message'",
      },
    ],
  },
  {
    name: 'live-on-last-page',
    says: 'a conversation is live as soon as a page says that there is no more, whatever else has been seen of it',
    edits: [
      { file: POSITION, find: 'if (moved.last >= moved.head && !hasMore) return', replace: 'if (!hasMore) return' },
      { file: POSITION, find: 'pulling || doubted || last < head ?', replace: 'pulling || doubted ?' },
    ],
  },
]
