import type { TimelineItem } from '@innerline/sdk-client'
import { h, setAttributes } from './dom.js'
import { clockTime } from './format.js'
import { t } from './i18n.js'
import { icon } from './icons.js'
import type { Session } from './session.js'
import { tickOf } from './ticks.js'

export interface MessageRow {
  readonly element: HTMLLIElement
  update(item: TimelineItem, continued: boolean, author: string | undefined): void
}

/** One message, drawn again only when something about it has changed. */
export function messageRow(session: Session): MessageRow {
  const element = h('li')
  let drawn: TimelineItem | undefined
  let drawnAs = ''
  return {
    element,
    update(item, continued, author) {
      const as = `${continued} ${author}`
      if (item === drawn && as === drawnAs) return
      const ticksOnly = drawn !== undefined && as === drawnAs && differsInTicks(drawn, item)
      drawn = item
      drawnAs = as
      setAttributes(element, {
        class: ['message', item.own ? 'own' : 'other', item.kind, continued ? 'continued' : ''].join(' ').trim(),
        'data-testid': 'message',
        'data-msg-id': item.msgId,
        'data-seq': item.seq,
        'data-status': item.status,
        'data-from': item.fromUserId,
      })
      const mark = element.querySelector('.tick')
      // A message that waits is tried every second; anew in the log, it would be read aloud as often.
      if (ticksOnly && mark !== null) return drawTick(mark, item)
      element.replaceChildren(...(item.kind === 'system' ? [systemLine(session, item)] : [bubble(item, author), ...failure(session, item)]))
    },
  }
}

const differsInTicks = (before: TimelineItem, now: TimelineItem): boolean =>
  (['kind', 'body', 'timestamp', 'editedAt', 'recalledAt'] as const).every((field) => before[field] === now[field]) &&
  ![before.status, now.status].includes('failed')

/** Draws the state of an own message into `mark`. */
function drawTick<E extends Element>(mark: E, { status }: TimelineItem): E {
  const tick = tickOf(status)
  if (tick === undefined) return mark
  setAttributes(mark, { class: tick.read ? 'tick read' : 'tick', 'aria-label': t(tick.label), title: t(tick.label) })
  mark.replaceChildren(icon(tick.icon, 15))
  return mark
}

function bubble(item: TimelineItem, author: string | undefined): HTMLElement {
  return h(
    'div',
    { class: 'bubble' },
    author !== undefined && h('p', { class: 'author' }, author),
    content(item),
    h(
      'span',
      { class: 'meta' },
      item.editedAt !== undefined && item.recalledAt === undefined && h('span', {}, t('edited')),
      h('time', { attrs: { datetime: new Date(item.timestamp).toISOString() } }, clockTime(item.timestamp)),
      item.status !== undefined && drawTick(h('span', { attrs: { role: 'img' } }), item),
    ),
  )
}

function content({ body, recalledAt }: TimelineItem): HTMLElement {
  if (body === null || recalledAt !== undefined) return h('p', { class: 'text faint' }, t('recalled'))
  if (body.type === 'text' && 'text' in body && typeof body.text === 'string')
    return h('p', { class: 'text', attrs: { dir: 'auto' } }, body.text)
  const name = 'name' in body && typeof body.name === 'string' ? body.name : `${t('attachment')} (${body.type})`
  const url = 'url' in body && typeof body.url === 'string' ? safeUrl(body.url) : undefined
  if (url === undefined) return h('p', { class: 'text faint' }, name)
  return h('p', { class: 'text' }, h('a', { attrs: { href: url, rel: 'noopener noreferrer', target: '_blank' } }, name))
}

/** `url` where it is a link to follow; scripts and data are none. */
function safeUrl(url: string): string | undefined {
  try {
    const { protocol, href } = new URL(url, location.href)
    return protocol === 'https:' || protocol === 'http:' ? href : undefined
  } catch {
    return undefined
  }
}

function failure(session: Session, { status, error, msgId }: TimelineItem): HTMLElement[] {
  if (status !== 'failed') return []
  const { outbox } = session.client
  return [
    h(
      'p',
      { class: 'failure', attrs: { role: 'alert' } },
      h('span', { attrs: { title: error?.message } }, t('notSent', error?.code ?? '–')),
      h(
        'button',
        { class: 'link', attrs: { type: 'button', 'data-testid': 'retry' }, on: { click: () => outbox.retry(msgId) } },
        t('retry'),
      ),
      h(
        'button',
        { class: 'link', attrs: { type: 'button', 'data-testid': 'discard' }, on: { click: () => outbox.cancel(msgId) } },
        t('discard'),
      ),
    ),
  ]
}

function systemLine(session: Session, { body, fromUserId }: TimelineItem): HTMLElement {
  const event = body !== null && 'event' in body && typeof body.event === 'string' ? body.event : 'system'
  const userIds = body !== null && 'userIds' in body && Array.isArray(body.userIds) ? (body.userIds as readonly string[]) : [fromUserId]
  const who = userIds.map((userId) => session.people.name(userId)).join(', ')
  const text =
    event === 'member.joined'
      ? t('memberJoined', who)
      : event === 'member.left'
        ? t('memberLeft', who)
        : event === 'member.removed'
          ? t('memberRemoved', who)
          : event
  return h('p', { class: 'system-line' }, text)
}
