import { ImError, isUserId, type LoginAnswer, type LoginRequest, type UserProfile } from '@innerline/protocol'
import type { SignIn } from '../http/index.js'
import type { Authenticate, Clock, Ids, RateLimiter, RateRule, StoredUser, UserDirectory, UserStorage } from '../ports/index.js'
import { type AccountsOptions, checkedTokenOptions, checkUser, type NewUser } from './options.js'
import { PasswordHashes } from './password-hash.js'
import { Tokens } from './tokens.js'

/** Attempts at one name from one address. */
const LOGIN_RULE: RateRule = { perSecond: 10 / 60, burst: 10 }
/** Attempts at any names from one address, behind which there may be a whole office. */
const ADDRESS_RULE: RateRule = { perSecond: 1, burst: 60 }

export interface AccountsDeps extends AccountsOptions {
  readonly storage: UserStorage
  readonly limiter: RateLimiter
  readonly clock: Clock
  readonly ids: Ids
}

/** Users of the server's own: signing in, the check of their tokens, and their directory. */
export interface Accounts extends SignIn {
  /**
   * Exchanges a user name and a password for a token. Rejects `UNAUTHORIZED`, the same for an unknown name and a wrong
   * password and after the same time; `RATE_LIMITED` after 10 attempts a minute at a name from an address; `BUSY`.
   */
  login(request: LoginRequest, ip: string | undefined): Promise<LoginAnswer>
  /** Accepts the tokens that `login` gives. Null for any other; rejects `TOKEN_EXPIRED`. Asks no storage. */
  readonly authenticate: Authenticate
  /** The users as profiles, with search. */
  readonly directory: UserDirectory
  /** Creates those who are missing (default: the option's `users`) and leaves the others as they are. Rejects a sentence for an unfit one. */
  ensureUsers(users?: readonly NewUser[]): Promise<void>
}

/** The built-in accounts. Nothing is read or written before the first call. Throws a sentence when an option is unfit. */
export function createAccounts(deps: AccountsDeps): Accounts {
  const { storage, limiter, clock, ids } = deps
  const seed = deps.users ?? []
  seed.forEach(checkUser)
  const tokens = new Tokens({ ...checkedTokenOptions(deps), clock, ids })
  const passwords = new PasswordHashes()

  const limit = async (username: string, ip: string | undefined): Promise<void> => {
    // The address comes first: it has no space, so no name can pass for another's key.
    const named = await limiter.take(`login:${ip ?? '-'} ${username}`, LOGIN_RULE)
    const decision = named.ok ? await limiter.take(`login:${ip ?? '-'}`, ADDRESS_RULE) : named
    if (decision.ok) return
    throw new ImError('RATE_LIMITED', { detail: 'Too many attempts to sign in.', retryAfterMs: decision.retryAfterMs })
  }

  const find = async (username: string): Promise<StoredUser | undefined> => {
    // What cannot be an id is nobody, and is kept out of queries.
    if (!isUserId(username)) return undefined
    const [user] = await storage.readUsers([username])
    // A collation that ignores case must not let one sign in under another spelling of the id.
    return user?.userId === username ? user : undefined
  }

  return {
    async login({ username, password, deviceId }, ip) {
      await limit(username, ip)
      const user = await find(username)
      const correct = await passwords.matches(password, user?.passwordHash)
      if (user === undefined || !correct) throw new ImError('UNAUTHORIZED', { detail: 'The user name or the password is wrong.' })
      const { userId, userType, roles } = user
      const { token, expiresAt } = await tokens.issue({ userId, userType, deviceId, roles })
      return { token, tokenType: 'Bearer', expiresAt, user: profileOf(user) }
    },
    async authenticate({ token }) {
      return token === undefined ? null : tokens.verify(token)
    },
    directory: {
      async profiles(userIds) {
        return (await storage.readUsers(userIds)).map(profileOf)
      },
      async search(text, count) {
        return (await storage.searchUsers(text, count)).map(profileOf)
      },
    },
    async ensureUsers(users = seed) {
      users.forEach(checkUser)
      const present = new Set((await storage.readUsers(users.map(({ userId }) => userId))).map(({ userId }) => userId))
      for (const { userId, userType, displayName, password, roles = [] } of users) {
        if (present.has(userId)) continue
        present.add(userId)
        // One after the other: seeding a list must not crowd out people who sign in.
        await storage.putUser({ userId, userType, displayName, roles, passwordHash: await passwords.create(password) })
      }
    },
  }
}

const profileOf = ({ userId, userType, displayName, avatar }: StoredUser): UserProfile => ({
  userId,
  userType,
  displayName,
  ...(avatar === undefined ? {} : { avatar }),
})
