import { isUserId, type UserType } from '@innerline/protocol'

const MIN_SECRET_BYTES = 32
const DEFAULT_TOKEN_TTL_MS = 12 * 60 * 60 * 1_000

/** Option `accounts` of a server: users of its own, for teams that have none. */
export interface AccountsOptions {
  /** Signs the tokens; the same on every node. At least 32 bytes, kept like a password. */
  readonly secret: string
  /** How long a token is good for. @default 12 h */
  readonly tokenTtlMs?: number | undefined
  /** Users that must exist; those that exist already stay as they are, passwords included. */
  readonly users?: readonly NewUser[] | undefined
}

export interface NewUser {
  /** Also the name to sign in with. */
  readonly userId: string
  readonly userType: UserType
  readonly displayName: string
  readonly password: string
  readonly roles?: readonly string[] | undefined
}

/** Secret and lifetime as they are used. Throws a sentence when one is unfit. */
export function checkedTokenOptions({ secret, tokenTtlMs = DEFAULT_TOKEN_TTL_MS }: AccountsOptions): {
  readonly secret: string
  readonly ttlMs: number
} {
  if (typeof secret !== 'string' || Buffer.byteLength(secret) < MIN_SECRET_BYTES) {
    throw new TypeError(
      `accounts.secret must have at least ${MIN_SECRET_BYTES} bytes; make one with: node -p "crypto.randomBytes(32).toString('base64url')"`,
    )
  }
  if (!(tokenTtlMs >= 1_000)) throw new TypeError('accounts.tokenTtlMs must be at least 1000 ms, as tokens count in seconds.')
  return { secret, ttlMs: tokenTtlMs }
}

/** Throws a sentence when somebody could never sign in. Names the user, never the password. */
export function checkUser({ userId, userType, displayName, password }: NewUser): void {
  if (typeof userId !== 'string' || !isUserId(userId)) {
    throw new TypeError(
      `A user of accounts.users has the userId ${JSON.stringify(userId)}; it must be 1–64 of A–Z a–z 0–9 . _ @ | : + = -.`,
    )
  }
  if (!['user', 'agent', 'customer'].includes(userType)) {
    throw new TypeError(`The userType of ${userId} in accounts.users must be 'user', 'agent' or 'customer'.`)
  }
  if (typeof displayName !== 'string' || displayName === '') throw new TypeError(`${userId} in accounts.users needs a displayName.`)
  if (typeof password !== 'string' || password.length < 1 || password.length > 256) {
    throw new TypeError(`The password of ${userId} in accounts.users must have 1 to 256 characters.`)
  }
}
