import { ImError, createImClient, type ImClient } from '@innerline/sdk-client'
import type { Person } from '../src/demo-users.js'
import { browserNetwork } from './browser-network.js'
import { Cell } from './dom.js'
import { FaultyNetwork } from './faults.js'
import { Journal } from './journal.js'
import { People } from './people.js'
import { type StorageWait, storageWait } from './storage-wait.js'

export interface Credentials {
  readonly user: Person
  readonly token: string
  /** Kept in memory only, to renew the token; absent after a reload. */
  readonly password?: string
}

/** One signed-in person: a client of its own and what the page shows of it. */
export interface Session {
  readonly user: Person
  readonly client: ImClient
  readonly network: FaultyNetwork
  readonly journal: Journal
  readonly storage: Pick<StorageWait, 'waits'>
  readonly people: People
  readonly password: string | undefined
  /** What is open; outlives a change of language, which draws everything anew. */
  readonly view: { readonly openId: Cell<string | undefined>; readonly drawer: Cell<boolean>; readonly drafts: Map<string, string> }
  /** Ends the client. With `logout` the server also revokes the token. Never rejects. */
  end(options: { readonly logout: boolean }): Promise<void>
}

/** Signs in. Rejects with `UNAUTHORIZED` for a wrong user or password and `UNAVAILABLE` when the server cannot be reached. */
export async function signIn(username: string, password: string): Promise<Credentials> {
  const response = await fetch('/api/im/auth/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username, password }),
  }).catch((cause: unknown) => {
    throw new ImError('UNAVAILABLE', { cause })
  })
  if (!response.ok) throw new ImError(response.status === 401 ? 'UNAUTHORIZED' : response.status === 429 ? 'RATE_LIMITED' : 'UNAVAILABLE')
  const { user, token } = (await response.json()) as Credentials
  return { user, token, password }
}

export function openSession(credentials: Credentials): Session {
  const { user, password } = credentials
  let { token } = credentials
  const journal = new Journal()
  const storage = storageWait()
  const network = new FaultyNetwork(browserNetwork, (event) => {
    journal.network(event)
    storage.saw(event)
  })
  const client = createImClient({
    url: '',
    userId: user.userId,
    webSocket: network.webSocket,
    fetch: network.fetch,
    lifecycle: network.lifecycle,
    async getToken({ reason }) {
      if (reason === 'initial' || reason === 'reconnect') return token
      if (password === undefined) throw new ImError('UNAUTHORIZED')
      token = (await signIn(user.userId, password)).token
      return token
    },
  })
  const unwatch = [journal.watch(client), storage.watch(client)]
  // What makes the client give up shows in its connection state.
  client.connect().catch(() => undefined)
  return {
    user,
    client,
    network,
    journal,
    storage,
    people: new People(client, user),
    password,
    view: { openId: new Cell<string | undefined>(undefined), drawer: new Cell(false), drafts: new Map() },
    async end({ logout }) {
      if (logout) await client.request('POST', '/api/im/auth/logout').catch(() => undefined)
      for (const undo of unwatch) undo()
      await client.destroy({ clear: true })
    },
  }
}
