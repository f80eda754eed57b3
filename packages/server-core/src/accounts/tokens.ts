import { ImError, isUserId, type UserType } from '@innerline/protocol'
import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import type { Clock, Ids, Principal } from '../ports/index.js'

const ALGORITHM = 'HS256'
/** Fixed, so that a token that something else signed with the same secret is not one of ours. */
const ISSUER = 'innerline'
const AUDIENCE = 'innerline'

export interface TokenOptions {
  readonly secret: string
  readonly ttlMs: number
  readonly clock: Clock
  readonly ids: Ids
}

/** Signed tokens: claims `sub`, `ut` (user type), `did` (device), `roles`, `exp`, `jti`, and fixed `iss` and `aud`. */
export class Tokens {
  readonly #key: Uint8Array
  readonly #options: TokenOptions

  constructor(options: TokenOptions) {
    this.#options = options
    this.#key = new TextEncoder().encode(options.secret)
  }

  /** A token for the principal, whatever its own `expiresAt`. */
  async issue(principal: Principal): Promise<{ readonly token: string; readonly expiresAt: number }> {
    const { clock, ids, ttlMs } = this.#options
    // Claims count in seconds; what we say in ms is what the token says.
    const expires = Math.floor((clock.now() + ttlMs) / 1_000)
    const { userId, userType, deviceId, roles = [] } = principal
    const claims = { ut: userType, ...(deviceId === undefined ? {} : { did: deviceId }), ...(roles.length === 0 ? {} : { roles }) }
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setSubject(userId)
      .setExpirationTime(expires)
      .setJti(ids.uuid())
      .sign(this.#key)
    return { token, expiresAt: expires * 1_000 }
  }

  /** Whom a token speaks for; null when it is not ours. Rejects `TOKEN_EXPIRED` for one of ours whose time is over. */
  async verify(token: string): Promise<Principal | null> {
    try {
      const { payload } = await jwtVerify(token, this.#key, {
        algorithms: [ALGORITHM],
        issuer: ISSUER,
        audience: AUDIENCE,
        requiredClaims: ['sub', 'ut', 'exp', 'jti'],
        currentDate: new Date(this.#options.clock.now()),
      })
      return principalOf(payload)
    } catch (error) {
      // jose looks at the signature before the claims, so this one was ours.
      if (error instanceof errors.JWTExpired) throw new ImError('TOKEN_EXPIRED')
      if (error instanceof errors.JOSEError) return null
      throw error
    }
  }
}

function principalOf({ sub, ut, did, roles, exp }: JWTPayload): Principal | null {
  if (sub === undefined || !isUserId(sub) || !isUserType(ut) || exp === undefined) return null
  return {
    userId: sub,
    userType: ut,
    ...(typeof did === 'string' ? { deviceId: did } : {}),
    roles: Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [],
    expiresAt: exp * 1_000,
  }
}

const isUserType = (value: unknown): value is UserType => value === 'user' || value === 'agent' || value === 'customer'
