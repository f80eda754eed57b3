import { h, type Scope, setAttributes, setChildren } from './dom.js'
import { ONE_SHOTS } from './faults.js'
import { exactTime } from './format.js'
import { t } from './i18n.js'
import { icon } from './icons.js'
import { FAULT_TEXTS, type JournalEntry } from './journal.js'
import type { Session } from './session.js'

const DELAYS_MS = [0, 300, 2_000]

/** Switches that break this client's network, and a live account of what the SDK does about it. */
export function faultDrawer(scope: Scope, session: Session): HTMLElement {
  return h(
    'aside',
    { class: 'drawer', attrs: { 'data-testid': 'drawer', 'aria-label': t('breakThings') } },
    h(
      'header',
      { class: 'drawer-bar' },
      icon('bolt'),
      h('h2', {}, t('breakThings')),
      h('span', { class: 'grow' }),
      h(
        'button',
        { class: 'button quiet', attrs: { type: 'button', 'aria-label': t('close') }, on: { click: () => session.view.drawer.set(false) } },
        icon('close'),
      ),
    ),
    h('div', { class: 'drawer-body' }, switches(scope, session), eventLog(scope, session)),
  )
}

function switches(scope: Scope, { network }: Session): HTMLElement {
  const button = (fault: string, text: string, click: () => void) =>
    h('button', { class: 'switch', attrs: { type: 'button', 'data-fault': fault }, on: { click } }, text)
  const drop = button('drop', t('faultDrop'), () => network.drop())
  const offline = button('offline', t('faultOffline'), () => network.setOffline(true))
  const online = button('online', t('faultOnline'), () => network.setOffline(false))
  const oneShots = ONE_SHOTS.map((fault) => ({ fault, element: button(fault, t(FAULT_TEXTS[fault]), () => network.toggle(fault)) }))
  const delay = h(
    'select',
    { attrs: { name: 'delay' }, on: { change: () => network.setDelay(Number(delay.value)) } },
    ...DELAYS_MS.map((ms) => h('option', { attrs: { value: ms } }, ms === 0 ? t('noDelay') : `${ms} ms`)),
  )
  delay.value = String(network.state.getSnapshot().delayMs)
  scope.watch([network.state], () => {
    const state = network.state.getSnapshot()
    offline.hidden = state.offline
    online.hidden = !state.offline
    drop.disabled = state.offline
    for (const { fault, element } of oneShots) {
      const armed = state.armed.has(fault)
      setAttributes(element, { 'aria-pressed': String(armed), title: armed ? t('armed') : undefined })
    }
  })
  return h(
    'div',
    { class: 'switches' },
    drop,
    offline,
    online,
    ...oneShots.map(({ element }) => element),
    h('label', { class: 'switch delay' }, t('faultDelay'), delay),
  )
}

function eventLog(scope: Scope, { journal }: Session): HTMLElement {
  const list = h('ol', { class: 'log', attrs: { 'data-testid': 'event-log', tabindex: 0, 'aria-label': t('whatHappened') } })
  const empty = h('p', { class: 'log-empty' }, t('nothingYet'))
  const drawn = new Map<number, HTMLElement>()
  scope.watch([journal.entries], () => {
    const entries = journal.entries.getSnapshot()
    const kept = new Set(entries.map(({ id }) => id))
    for (const id of drawn.keys()) if (!kept.has(id)) drawn.delete(id)
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 24
    setChildren(
      list,
      entries.map((entry) => {
        const line = drawn.get(entry.id) ?? logLine(entry)
        drawn.set(entry.id, line)
        return line
      }),
    )
    empty.hidden = entries.length > 0
    if (atEnd) list.scrollTop = list.scrollHeight
  })
  queueMicrotask(() => {
    list.scrollTop = list.scrollHeight
  })
  return h(
    'section',
    { class: 'log-box' },
    h(
      'header',
      {},
      h('h3', {}, t('whatHappened')),
      h('button', { class: 'link', attrs: { type: 'button' }, on: { click: () => journal.clear() } }, t('clear')),
    ),
    empty,
    list,
  )
}

const logLine = ({ at, tone, type, text }: JournalEntry): HTMLElement =>
  h('li', { class: `log-line ${tone}`, attrs: { 'data-type': type } }, h('time', {}, exactTime(at)), h('span', {}, text()))
