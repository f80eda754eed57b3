import { appView } from './app-view.js'
import { Cell, Scope } from './dom.js'
import { type Credentials, openSession, type Session, signIn } from './session.js'
import { signInProblem, signInView } from './sign-in.js'

const STORED = 'innerline.demo.credentials'

interface SeatOptions {
  /** Filled into the form. */
  readonly suggested: string
  /** Signs the suggested user in with this password at once. */
  readonly password?: string
  /** Whether a reload of the tab keeps the sign-in. */
  readonly remember: boolean
  /** The person whose chat is open at once. */
  readonly opens?: string
}

/** A place on the page for one person: the sign-in form, or the signed-in view. */
export class Seat {
  readonly root = document.createElement('div')
  readonly session = new Cell<Session | undefined>(undefined)
  readonly #options: SeatOptions
  #scope = new Scope()
  #problem: string | undefined

  constructor(options: SeatOptions) {
    this.#options = options
    this.root.className = 'seat'
    this.root.dataset['seat'] = options.suggested
  }

  /** Takes up a remembered or given sign-in, else shows the form. */
  async start(): Promise<void> {
    const stored = this.#options.remember ? recall() : undefined
    if (stored !== undefined) return this.#enter(stored)
    if (this.#options.password !== undefined) return this.#again(this.#options.suggested, this.#options.password)
    this.draw()
  }

  /** Draws the seat anew, as after a change of language. */
  draw(): void {
    this.#scope.end()
    this.#scope = new Scope()
    const session = this.session.getSnapshot()
    const view =
      session === undefined
        ? signInView(this.#options.suggested, this.#problem, (credentials) => this.#enter(credentials))
        : appView(this.#scope, session, {
            signOut: () => void this.#leave({ logout: true }),
            signInAgain: () => void this.#leave({ logout: false }).then(() => this.#again(session.user.userId, session.password)),
          })
    this.root.replaceChildren(view)
  }

  #enter(credentials: Credentials): void {
    this.#problem = undefined
    if (this.#options.remember) remember({ user: credentials.user, token: credentials.token })
    const session = openSession(credentials)
    const { opens } = this.#options
    if (opens !== undefined) session.view.openId.set(session.client.conversations.direct(opens).id)
    this.session.set(session)
    this.draw()
  }

  async #again(userId: string, password: string | undefined): Promise<void> {
    if (password === undefined) return this.draw()
    try {
      this.#enter(await signIn(userId, password))
    } catch (error) {
      this.#problem = signInProblem(error)
      this.draw()
    }
  }

  async #leave(options: { readonly logout: boolean }): Promise<void> {
    const session = this.session.getSnapshot()
    if (this.#options.remember) remember(undefined)
    this.session.set(undefined)
    this.draw()
    await session?.end(options)
  }
}

function remember(credentials: Credentials | undefined): void {
  try {
    if (credentials === undefined) sessionStorage.removeItem(STORED)
    else sessionStorage.setItem(STORED, JSON.stringify(credentials))
  } catch {
    // Without storage a reload asks for the sign-in again.
  }
}

function recall(): Credentials | undefined {
  try {
    return (JSON.parse(sessionStorage.getItem(STORED) ?? 'null') as Credentials | null) ?? undefined
  } catch {
    return undefined
  }
}
