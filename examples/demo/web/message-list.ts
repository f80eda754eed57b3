import type { Conversation } from '@innerline/sdk-client'
import { h, type Scope, setAttributes, setChildren, setText } from './dom.js'
import { dayLabel } from './format.js'
import { t } from './i18n.js'
import { icon } from './icons.js'
import { type MessageRow, messageRow } from './message-row.js'
import { scrollAnchor } from './scroll-anchor.js'
import type { Session } from './session.js'
import { type Line, planTimeline } from './timeline-plan.js'

/** The messages of an open conversation; marks them read while they can be seen. `title` names it for screen readers. */
export function messageList(scope: Scope, session: Session, conversation: Conversation, title: string): HTMLElement {
  const rows = new Map<string, MessageRow>()
  const separators = new Map<string, HTMLElement>()
  const opened = conversation.getSnapshot()
  const newAfterSeq = opened.unread > 0 ? opened.readSeq : undefined

  const loadOlder = () => void conversation.loadOlder().catch(() => undefined)
  const older = h(
    'button',
    { class: 'button small', attrs: { type: 'button', 'data-testid': 'load-older' }, on: { click: loadOlder } },
    t('loadOlder'),
  )
  const note = h('p', { class: 'timeline-note' })
  const list = h('ol', { class: 'messages' })
  const scroller = h(
    'div',
    {
      class: 'scroller',
      attrs: { role: 'log', 'aria-live': 'polite', 'aria-label': t('messages', title), tabindex: 0, 'data-testid': 'messages' },
    },
    h('div', { class: 'timeline-top' }, older, note),
    list,
  )
  const belowText = h('span')
  const below = h(
    'button',
    { class: 'below', attrs: { type: 'button', 'data-testid': 'to-newest' }, on: { click: () => anchor.toEnd() } },
    icon('down', 14),
    belowText,
  )
  const anchor = scrollAnchor(scope, scroller, list, () => seen())

  let newest = 0
  let lastOwn: string | undefined
  let unseen = 0

  const seen = () => {
    if (anchor.atEnd()) unseen = 0
    below.hidden = anchor.atEnd()
    setText(belowText, unseen > 0 ? t('newBelow', unseen) : t('toNewest'))
    const { headSeq, readSeq, sync } = conversation.getSnapshot()
    // Live means that what is not a line of its own (a recall, an edit) is held as well.
    const upTo = sync === 'live' ? headSeq : newest
    const visible = document.visibilityState === 'visible' && scroller.getClientRects().length > 0
    if (visible && anchor.atEnd() && upTo > readSeq) conversation.markRead(upTo)
  }

  const elementOf = (line: Line): HTMLElement => {
    if (line.type === 'message') {
      const row = rows.get(line.key) ?? messageRow(session)
      rows.set(line.key, row)
      const named = opened.chatType !== 'direct' && !line.item.own && !line.continued
      row.update(line.item, line.continued, named ? session.people.name(line.item.fromUserId) : undefined)
      return row.element
    }
    const element = separators.get(line.key) ?? separator(line, loadOlder)
    separators.set(line.key, element)
    if (line.type === 'hole') setText(element.firstElementChild ?? element, t('holeBetween', line.count))
    return element
  }

  const draw = () => {
    const { holes, hasOlder, loadingOlder, sync } = conversation.getSnapshot()
    const items = conversation.messages.getSnapshot()
    const lines = planTimeline(items, holes, newAfterSeq)
    const keys = new Set<string>(lines.map(({ key }) => key))
    for (const known of [rows, separators]) for (const key of known.keys()) if (!keys.has(key)) known.delete(key)

    const last = items.at(-1)
    const wrote = last?.own === true && last.seq === undefined && last.msgId !== lastOwn
    if (wrote) lastOwn = last.msgId
    if (newest > 0) unseen += items.filter(({ seq, own }) => !own && seq !== undefined && seq > newest).length
    newest = Math.max(newest, ...items.map(({ seq }) => seq ?? 0))

    const busy = loadingOlder || sync === 'pulling'
    setAttributes(scroller, { 'aria-busy': busy ? 'true' : undefined, 'data-sync': sync })
    older.hidden = !hasOlder || items.length === 0
    older.disabled = loadingOlder
    setText(older, loadingOlder ? t('loading') : t('loadOlder'))
    note.hidden = items.length > 0
    setText(note, busy ? t('loading') : t('firstWords', title))
    anchor.keep(() => setChildren(list, lines.map(elementOf)), { toEnd: wrote })
    seen()
  }

  scope.watch([conversation, conversation.messages, session.people.known], draw)
  scope.listen(document, 'visibilitychange' as 'focus', seen)
  scope.listen(window, 'focus', seen)
  scope.listen(window, 'resize', seen)
  return h('div', { class: 'timeline' }, scroller, below)
}

function separator(line: Exclude<Line, { readonly type: 'message' }>, load: () => void): HTMLElement {
  if (line.type === 'hole')
    return h('li', { class: 'separator hole' }, h('button', { class: 'button small', attrs: { type: 'button' }, on: { click: load } }))
  if (line.type === 'new')
    return h('li', { class: 'separator new', attrs: { 'data-testid': 'new-divider' } }, h('span', {}, t('newDivider')))
  return h('li', { class: 'separator day' }, h('span', {}, dayLabel(line.timestamp)))
}
