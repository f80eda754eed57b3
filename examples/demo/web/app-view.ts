import { avatar } from './avatar.js'
import { chatView } from './chat-view.js'
import { connectionBanner, connectionChip } from './connection-view.js'
import { conversationList } from './conversation-list.js'
import { h, type Scope, setAttributes } from './dom.js'
import { faultDrawer } from './fault-drawer.js'
import { t } from './i18n.js'
import { icon } from './icons.js'
import type { Session } from './session.js'

export interface SeatActions {
  signOut(): void
  signInAgain(): void
}

/** Width of the panel below which list and chat are two screens, and from which the drawer stands beside the chat. */
const NARROW = 560
const WIDE = 1040
/** Viewports up to this are phones, whatever the panel's width. */
const PHONE = 640

/** Everything of one signed-in person. */
export function appView(scope: Scope, session: Session, actions: SeatActions): HTMLElement {
  const { user, view } = session
  const drawerButton = h(
    'button',
    {
      class: 'button quiet',
      attrs: { type: 'button', 'data-testid': 'break-things', title: t('breakThings') },
      on: { click: () => view.drawer.set(!view.drawer.getSnapshot()) },
    },
    icon('bolt'),
    h('span', { class: 'wide-only' }, t('breakThings')),
  )
  const bar = h(
    'header',
    { class: 'panel-bar' },
    avatar(user.userId, user.displayName, 'small'),
    h('div', { class: 'who' }, h('strong', {}, user.displayName), h('small', {}, user.userId)),
    connectionChip(scope, session),
    h('span', { class: 'grow' }),
    drawerButton,
    h(
      'button',
      {
        class: 'button quiet',
        attrs: { type: 'button', 'data-testid': 'sign-out', title: t('signOut'), 'aria-label': t('signOut') },
        on: { click: actions.signOut },
      },
      icon('leave'),
    ),
  )
  const chat = h('main', { class: 'chat' })
  const drawerPlace = h('div', { class: 'drawer-place' })
  const body = h('div', { class: 'panel-body' }, conversationList(scope, session), chat)
  const panel = h(
    'section',
    { class: 'panel', attrs: { 'data-testid': 'panel', 'data-user': user.userId, 'aria-label': user.displayName } },
    bar,
    connectionBanner(scope, session, actions.signInAgain),
    h('div', { class: 'panel-main' }, body, drawerPlace),
  )

  let inner = scope.child()
  let shown: string | undefined
  const showChat = () => {
    const id = view.openId.getSnapshot()
    setAttributes(panel, { 'data-screen': id === undefined ? 'list' : 'chat' })
    if (id === shown && chat.childNodes.length > 0) return
    shown = id
    inner.end()
    inner = scope.child()
    chat.replaceChildren(id === undefined ? emptyStage() : chatView(inner, session, id))
  }
  scope.watch([view.openId], showChat)

  let drawerScope = scope.child()
  scope.watch([view.drawer], () => {
    const open = view.drawer.getSnapshot()
    setAttributes(drawerButton, { 'aria-expanded': String(open) })
    setAttributes(panel, { 'data-drawer': open })
    drawerScope.end()
    drawerScope = scope.child()
    drawerPlace.replaceChildren(...(open ? [faultDrawer(drawerScope, session)] : []))
  })

  // By the panel's width, not the window's: in duo mode two panels share the window.
  const measure = () => {
    const width = panel.clientWidth
    const layout = width <= NARROW || window.innerWidth <= PHONE ? 'narrow' : width < WIDE ? 'medium' : 'wide'
    setAttributes(panel, { 'data-layout': layout })
  }
  const observer = new ResizeObserver(measure)
  observer.observe(panel)
  scope.add(() => observer.disconnect())
  setAttributes(panel, { 'data-layout': window.innerWidth <= PHONE ? 'narrow' : 'medium' })
  return panel
}

const emptyStage = () => h('div', { class: 'empty-stage' }, icon('bubble', 44), h('p', {}, t('pickConversation')))
