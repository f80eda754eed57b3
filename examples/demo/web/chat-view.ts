import { isImError } from '@innerline/sdk-client'
import { avatar } from './avatar.js'
import { composer } from './composer.js'
import { avatarId, conversationTitle } from './conversation-list.js'
import { h, type Scope, setText } from './dom.js'
import { t } from './i18n.js'
import { icon } from './icons.js'
import { messageList } from './message-list.js'
import type { Session } from './session.js'

/** One open conversation. It stays live until `scope` ends. */
export function chatView(scope: Scope, session: Session, conversationId: string): HTMLElement {
  const { client, people, view } = session
  const conversation = client.conversations.get(conversationId)
  const face = h('span', { class: 'face' })
  const name = h('h2')
  const detail = h('p', { class: 'detail', attrs: { 'aria-live': 'polite', 'data-testid': 'typing' } })
  const problem = h('p', { class: 'problem', attrs: { role: 'alert' } })
  problem.hidden = true

  scope.watch([conversation, people.known], () => {
    const snapshot = conversation.getSnapshot()
    const title = conversationTitle(session, snapshot)
    if (name.textContent !== title) face.replaceChildren(avatar(avatarId(snapshot), title))
    setText(name, title)
    const typing = snapshot.typing.map((userId) => people.name(userId)).join(', ')
    detail.classList.toggle('active', typing !== '')
    setText(detail, typing === '' ? (snapshot.peerUserId ?? snapshot.conversationId) : t('typing', typing))
  })

  conversation.open().then(
    () => undefined,
    (error: unknown) => {
      // `CANCELLED` is our own close below.
      if (isImError(error, 'CANCELLED') || isImError(error, 'CLIENT_CLOSED')) return
      problem.hidden = false
      setText(problem, t('openFailed', isImError(error) ? error.code : String(error)))
    },
  )
  scope.add(() => conversation.close())

  return h(
    'div',
    { class: 'chat-view', attrs: { 'data-testid': 'chat', 'data-conversation-id': conversationId } },
    h(
      'header',
      { class: 'chat-bar' },
      h(
        'button',
        {
          class: 'button quiet back',
          attrs: { type: 'button', 'aria-label': t('back'), 'data-testid': 'back' },
          on: { click: () => view.openId.set(undefined) },
        },
        icon('back', 18),
      ),
      face,
      h('div', { class: 'who' }, name, detail),
    ),
    problem,
    messageList(scope, session, conversation, conversationTitle(session, conversation.getSnapshot())),
    composer(scope, session, conversation),
  )
}
