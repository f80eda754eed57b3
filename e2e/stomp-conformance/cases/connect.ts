import assert from 'node:assert/strict'
import type { ConformanceCase } from '../case.js'
import { frame, type RawFrame } from '../raw-client.js'

const isConnected = (received: RawFrame) => received.command === 'CONNECTED'

export const connectCases: readonly ConformanceCase[] = [
  {
    id: 'connect/subprotocol',
    title: 'the server chooses v12.stomp when it is offered',
    run: async (conversation) => {
      assert.equal((await conversation.open()).protocol, 'v12.stomp')
    },
  },
  {
    id: 'connect/subprotocol-among-others',
    title: 'the server chooses v12.stomp among several subprotocols',
    run: async (conversation) => {
      const connection = await conversation.open({ protocols: ['v10.stomp', 'v11.stomp', 'v12.stomp'] })
      assert.equal(connection.protocol, 'v12.stomp')
    },
  },
  {
    id: 'connect/connected',
    title: 'CONNECT is answered by CONNECTED with version 1.2 (CONNECTED Frame)',
    run: async (conversation) => {
      const { connected } = await conversation.connected()
      assert.equal(connected.headers.get('version'), '1.2')
      assert.equal(connected.body, '')
      for (const name of conversation.profile.connectedHeaders) assert.ok(connected.headers.get(name), `CONNECTED has ${name}`)
    },
  },
  {
    id: 'connect/stomp-command',
    title: 'STOMP is handled as CONNECT is (CONNECT or STOMP Frame)',
    run: async (conversation) => {
      const { connected } = await conversation.connected({ command: 'STOMP' })
      assert.equal(connected.headers.get('version'), '1.2')
    },
  },
  {
    id: 'connect/highest-version',
    title: 'the highest common version is chosen (Protocol Negotiation)',
    run: async (conversation) => {
      const { connected } = await conversation.connected({ versions: '1.0,1.1,1.2' })
      assert.equal(connected.headers.get('version'), '1.2')
    },
  },
  {
    id: 'connect/no-common-version',
    title: 'without a common version the answer is ERROR and a close (Protocol Negotiation)',
    run: async (conversation) => {
      const connection = await conversation.open()
      connection.send(conversation.connectFrame({ versions: '9.9' }))
      await conversation.errorThenClose(connection, 'version')
      assert.deepEqual(connection.unread(isConnected), [])
    },
  },
  {
    id: 'connect/wrong-credentials',
    title: 'wrong credentials are answered by ERROR, which does not repeat them, and a close',
    run: async (conversation) => {
      const connection = await conversation.open()
      const credentials = [
        ['login', 'nobody'],
        ['passcode', 'wrong-secret-1'],
        ['Authorization', 'Bearer wrong-secret-1'],
      ] as const
      connection.send(conversation.connectFrame({ credentials }))
      const error = await conversation.errorThenClose(connection, 'unauthorized')
      assert.ok(
        !JSON.stringify([...error.headers]).includes('wrong-secret-1') && !error.body.includes('wrong-secret-1'),
        'the secret is not repeated',
      )
    },
  },
  {
    id: 'connect/no-credentials',
    title: 'missing credentials are answered by ERROR and a close',
    applies: (profile) => profile.closeCodes.unauthorized !== undefined,
    run: async (conversation) => {
      const connection = await conversation.open()
      connection.send(conversation.connectFrame({ credentials: [] }))
      await conversation.errorThenClose(connection, 'unauthorized')
    },
  },
  ...(['SEND', 'SUBSCRIBE', 'UNSUBSCRIBE', 'ACK', 'BEGIN', 'DISCONNECT'] as const).map(
    (command): ConformanceCase => ({
      id: `connect/${command.toLowerCase()}-first`,
      title: `${command} before CONNECT is answered by ERROR and a close, and not by a RECEIPT`,
      run: async (conversation) => {
        const connection = await conversation.open()
        connection.send(
          frame(command, [
            ['id', '1'],
            ['destination', conversation.profile.inbox],
            ['transaction', 't'],
            ['receipt', 'early'],
          ]),
        )
        await conversation.errorThenClose(connection)
        assert.deepEqual(
          connection.unread((received) => received.command === 'RECEIPT'),
          [],
        )
      },
    }),
  ),
  {
    id: 'connect/twice',
    title: 'a second CONNECT is answered by ERROR and a close',
    run: async (conversation) => {
      const connection = await conversation.connect()
      connection.send(conversation.connectFrame())
      await conversation.errorThenClose(connection)
    },
  },
  {
    id: 'connect/pipelined',
    title: 'frames sent right behind CONNECT, before CONNECTED came, are processed after it',
    run: async (conversation) => {
      const connection = await conversation.open()
      connection.send(conversation.connectFrame())
      connection.send(
        frame('SUBSCRIBE', [
          ['id', '1'],
          ['destination', conversation.profile.quiet],
          ['receipt', 'behind'],
        ]),
      )
      const first = await connection.take('an answer', (received) => received.command === 'CONNECTED' || received.command === 'RECEIPT')
      assert.equal(first.command, 'CONNECTED')
      await conversation.receipt(connection, 'behind')
    },
  },
  {
    id: 'connect/timeout',
    title: 'a connection without CONNECT is closed in the documented time',
    slow: true,
    applies: (profile) => profile.connectTimeoutMs !== undefined,
    run: async (conversation) => {
      const timeoutMs = conversation.profile.connectTimeoutMs ?? 0
      const opened = performance.now()
      const connection = await conversation.open()
      const close = await connection.takeClose(timeoutMs * 1.5 + 1_000)
      assert.ok(performance.now() - opened >= timeoutMs * 0.8, 'not closed early')
      if (conversation.profile.closeCodes.connectTimeout !== undefined)
        assert.equal(close.code, conversation.profile.closeCodes.connectTimeout)
    },
  },
]
