import type { ConversationSnapshot } from '@innerline/sdk-client'
import { avatar } from './avatar.js'
import { h, type Scope, setAttributes, setChildren, setText } from './dom.js'
import { listTime } from './format.js'
import { t } from './i18n.js'
import { peopleSearch } from './people-search.js'
import type { Session } from './session.js'

/** What a conversation is called on the page. */
export function conversationTitle(session: Session, { chatType, title, peerUserId, conversationId }: ConversationSnapshot): string {
  if (chatType === 'direct' && peerUserId !== undefined) return session.people.name(peerUserId)
  return title ?? conversationId
}

/** The id that gives a conversation its avatar's colour: the other person's, so that it matches everywhere. */
export const avatarId = ({ peerUserId, conversationId }: ConversationSnapshot): string => peerUserId ?? conversationId

interface Row {
  readonly element: HTMLElement
  update(conversation: ConversationSnapshot): void
}

/** The left side: finding people, and the conversations with their unread counts. */
export function conversationList(scope: Scope, session: Session): HTMLElement {
  const { client, people, view } = session
  const rows = new Map<string, Row>()
  const list = h('ul', { class: 'conversations', attrs: { 'data-testid': 'conversations', 'aria-label': t('conversations') } })
  const empty = h('p', { class: 'empty-list' }, t('noConversations'))
  const more = h(
    'button',
    {
      class: 'button quiet more',
      attrs: { type: 'button' },
      on: { click: () => void client.conversations.loadMore().catch(() => undefined) },
    },
    t('moreConversations'),
  )

  scope.watch([client.conversations, people.known, view.openId], () => {
    const conversations = client.conversations
      .getSnapshot()
      .filter(({ hidden, conversationId }) => !hidden || conversationId === view.openId.getSnapshot())
    const known = new Set(conversations.map(({ conversationId }) => conversationId))
    for (const id of rows.keys()) if (!known.has(id)) rows.delete(id)
    const elements = conversations.map((conversation) => {
      let row = rows.get(conversation.conversationId)
      if (row === undefined) {
        row = conversationRow(session, conversation.conversationId)
        rows.set(conversation.conversationId, row)
      }
      row.update(conversation)
      return row.element
    })
    setChildren(list, elements)
    empty.hidden = elements.length > 0
    more.hidden = !client.conversations.hasMore
  })
  return h('aside', { class: 'sidebar' }, peopleSearch(scope, session), h('div', { class: 'list-scroll' }, list, empty, more))
}

function conversationRow(session: Session, conversationId: string): Row {
  const face = h('span', { class: 'face' })
  const title = h('span', { class: 'row-title' })
  const time = h('time', { class: 'row-time' })
  const preview = h('span', { class: 'row-preview' })
  const badge = h('span', { class: 'badge' })
  const button = h(
    'button',
    { class: 'row', attrs: { type: 'button' }, on: { click: () => session.view.openId.set(conversationId) } },
    face,
    h('span', { class: 'row-text' }, h('span', { class: 'row-line' }, title, time), h('span', { class: 'row-line' }, preview, badge)),
  )
  const element = h('li', { attrs: { 'data-testid': 'conversation', 'data-conversation-id': conversationId } }, button)
  let shownTitle: string | undefined
  return {
    element,
    update(conversation) {
      const name = conversationTitle(session, conversation)
      if (name !== shownTitle) face.replaceChildren(avatar(avatarId(conversation), name))
      shownTitle = name
      setText(title, name)
      const { lastMessage, unread } = conversation
      setText(time, lastMessage === undefined ? '' : listTime(lastMessage.timestamp))
      setText(preview, previewText(session, conversation))
      setAttributes(button, { 'aria-current': session.view.openId.getSnapshot() === conversationId ? 'true' : undefined })
      setAttributes(element, { 'data-unread': unread })
      setAttributes(badge, { 'data-unread': unread, 'aria-label': t('unreadCount', unread) })
      setText(badge, unread > 99 ? '99+' : String(unread))
      badge.hidden = unread === 0
    },
  }
}

function previewText(session: Session, { lastMessage, chatType }: ConversationSnapshot): string {
  if (lastMessage === undefined) return t('noMessages')
  const { fromUserId, kind, preview } = lastMessage
  if (kind === 'recall') return t('recalled')
  if (kind === 'system') return preview
  if (fromUserId === session.user.userId) return t('you', preview)
  return chatType === 'group' ? `${session.people.name(fromUserId)}: ${preview}` : preview
}
