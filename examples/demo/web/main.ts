import { DEMO_PASSWORD } from '../src/demo-users.js'
import { h, Scope, setAttributes, setText } from './dom.js'
import { language, switchLanguage, t } from './i18n.js'
import { icon } from './icons.js'
import { Seat } from './seat.js'

const duo = new URLSearchParams(location.search).has('duo')
const seats = duo
  ? [
      new Seat({ suggested: 'alice', password: DEMO_PASSWORD, remember: false, opens: 'bob' }),
      new Seat({ suggested: 'bob', password: DEMO_PASSWORD, remember: false, opens: 'alice' }),
    ]
  : [new Seat({ suggested: '', remember: true })]
const app = document.getElementById('app')!
let active = 0

/** Name on a seat's tab, with what waits behind it. */
function tabText(seat: Seat): { readonly name: string; readonly unread: number } {
  const session = seat.session.getSnapshot()
  return { name: session?.user.displayName ?? t('signIn'), unread: session?.client.conversations.totalUnread.getSnapshot() ?? 0 }
}

/** On a phone only one of two seats fits; these choose which. */
function seatTabs(scope: Scope): HTMLElement {
  const tabs = seats.map((seat, index) => {
    const name = h('span')
    const badge = h('span', { class: 'badge' })
    const tab = h(
      'button',
      {
        class: 'tab',
        attrs: { type: 'button', role: 'tab', 'data-testid': `tab-${seat.root.dataset['seat']}` },
        on: { click: () => choose(index) },
      },
      name,
      badge,
    )
    watchUnread(scope, seat, () => {
      const text = tabText(seat)
      setText(name, text.name)
      setText(badge, String(text.unread))
      badge.hidden = text.unread === 0
    })
    return tab
  })
  const choose = (index: number) => {
    active = index
    seats.forEach((seat, at) => {
      setAttributes(seat.root, { 'data-active': at === index })
      setAttributes(tabs[at]!, { 'aria-selected': String(at === index) })
    })
    // What became visible may be read now.
    window.dispatchEvent(new Event('resize'))
  }
  choose(active)
  return h('div', { class: 'tabs', attrs: { role: 'tablist' } }, ...tabs)
}

/** Calls `render` now and whenever the seat's session or its unread total changes. */
function watchUnread(scope: Scope, seat: Seat, render: () => void): void {
  let inner = scope.child()
  scope.watch([seat.session], () => {
    inner.end()
    inner = scope.child()
    const total = seat.session.getSnapshot()?.client.conversations.totalUnread
    inner.watch(total === undefined ? [] : [total], render)
  })
}

let scope = new Scope()
function draw(): void {
  scope.end()
  scope = new Scope()
  document.documentElement.lang = language.getSnapshot() === 'zh' ? 'zh-CN' : 'en'
  const bar = h(
    'header',
    { class: 'top-bar' },
    h('span', { class: 'brand' }, h('span', { class: 'brand-mark' }, icon('bubble', 15)), h('strong', {}, 'Innerline')),
    h('span', { class: 'grow' }),
    h('a', { class: 'link', attrs: { href: duo ? '/' : '/?duo' } }, duo ? t('singleLink') : t('duoLink')),
    h('button', { class: 'link', attrs: { type: 'button', 'data-testid': 'language' }, on: { click: switchLanguage } }, t('otherLanguage')),
  )
  const layout = h('div', { class: duo ? 'seats duo' : 'seats' }, ...seats.map((seat) => seat.root))
  for (const seat of seats)
    watchUnread(scope, seat, () => {
      const unread = seats.reduce((sum, each) => sum + tabText(each).unread, 0)
      document.title = unread > 0 ? `(${unread}) Innerline` : 'Innerline'
    })
  app.replaceChildren(bar, ...(duo ? [seatTabs(scope)] : []), layout)
}

draw()
for (const seat of seats) void seat.start()
language.subscribe(() => {
  draw()
  for (const seat of seats) seat.draw()
})
