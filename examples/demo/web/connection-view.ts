import { type ChipState, chipState, connectionText, type Hindrance, hindranceOf } from './connection-text.js'
import { h, type Scope, setAttributes, setText } from './dom.js'
import { type TextKey, t } from './i18n.js'
import type { Session } from './session.js'

const COUNTDOWN_MS = 250

/** The state of the session's connection; `offline` where there is no network to connect over. */
function stateOf({ client, network }: Session): ChipState {
  return chipState(client.connection.getSnapshot(), network.isOnline())
}

/** A small label: connected, reconnecting with the seconds left, offline, signed out. */
export function connectionChip(scope: Scope, session: Session): HTMLElement {
  const text = h('span')
  const chip = h('span', { class: 'chip', attrs: { 'data-testid': 'connection', role: 'status' } }, h('span', { class: 'dot' }), text)
  let timer: ReturnType<typeof setInterval> | undefined
  const show = () => {
    const state = stateOf(session)
    const { nextRetryAt } = session.client.connection.getSnapshot()
    setAttributes(chip, { 'data-state': state })
    setText(text, connectionText(state, nextRetryAt === undefined ? undefined : nextRetryAt - Date.now()))
    clearInterval(timer)
    // A countdown read aloud four times a second helps nobody.
    setAttributes(chip, { 'aria-live': state === 'reconnecting' ? 'off' : 'polite' })
    if (state === 'reconnecting') timer = setInterval(show, COUNTDOWN_MS)
  }
  scope.watch([session.client.connection, session.network.state], show)
  scope.listen(window, 'online', show)
  scope.listen(window, 'offline', show)
  scope.add(() => clearInterval(timer))
  return chip
}

const BANNERS = { offline: 'bannerOffline', storage: 'bannerStorage', lost: 'bannerLost' } as const satisfies Partial<
  Record<Hindrance, TextKey>
>

/** A line below the bar while something keeps messages from going out, with what helps. */
export function connectionBanner(scope: Scope, session: Session, signInAgain: () => void): HTMLElement {
  const text = h('span', { class: 'grow' })
  const button = h('button', { class: 'button small', attrs: { type: 'button' } })
  const banner = h('div', { class: 'banner', attrs: { 'data-testid': 'banner', role: 'status' } }, text, button)
  const { client, network, storage } = session
  scope.watch([client.connection, client.outbox, network.state, storage.waits], () => {
    const connection = client.connection.getSnapshot()
    const hindrance = hindranceOf(connection, network.isOnline(), storage.waits.getSnapshot())
    banner.hidden = hindrance === undefined
    setAttributes(banner, { 'data-hindrance': hindrance })
    if (hindrance === undefined) return
    const { error } = connection
    const waiting = client.outbox.getSnapshot().filter(({ status }) => status !== 'failed').length
    const tail = waiting > 0 ? ` ${t('bannerWaiting', waiting)}` : ''
    const closed = hindrance === 'closed'
    banner.classList.toggle('closed', closed)
    setText(text, (closed ? t('bannerClosed', closedReason(error?.code, error?.detail ?? error?.message)) : t(BANNERS[hindrance])) + tail)
    // Offline nothing can be tried, and over a living connection the SDK tries every second.
    button.hidden = hindrance === 'offline' || connection.status === 'connected'
    setText(button, closed ? t('signInAgain') : t('tryNow'))
    button.onclick = closed ? signInAgain : () => network.wake()
  })
  return banner
}

function closedReason(code: string | undefined, otherwise: string | undefined): string {
  if (code === 'UNAUTHORIZED' || code === 'TOKEN_EXPIRED') return t('closedUnauthorized')
  return otherwise ?? code ?? '–'
}
