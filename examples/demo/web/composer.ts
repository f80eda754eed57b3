import type { Conversation } from '@innerline/sdk-client'
import { h, type Scope } from './dom.js'
import { t } from './i18n.js'
import { icon } from './icons.js'
import type { Session } from './session.js'

/**
 * Whether this key press sends. Not while an input method composes: there Enter takes the candidate. Safari ends the composition before the
 * key event, which then still carries key code 229.
 */
export const isSendKey = (event: Pick<KeyboardEvent, 'key' | 'shiftKey' | 'isComposing' | 'keyCode'>): boolean =>
  event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229

/** Where messages are written. Enter sends, Shift+Enter begins a new line; a draft stays with its conversation. */
export function composer(scope: Scope, session: Session, conversation: Conversation): HTMLElement {
  const { drafts } = session.view
  const box = h('textarea', {
    attrs: {
      name: 'message',
      rows: 1,
      placeholder: t('writeMessage'),
      'aria-label': t('writeMessage'),
      enterkeyhint: 'send',
      autocomplete: 'off',
    },
    on: {
      input: () => {
        drafts.set(conversation.id, box.value)
        fit()
        if (box.value.trim() !== '') conversation.typing()
      },
      keydown: (event) => {
        if (!isSendKey(event)) return
        event.preventDefault()
        send()
      },
    },
  })
  const button = h(
    'button',
    {
      class: 'send',
      attrs: { type: 'submit', 'data-testid': 'send', 'aria-label': t('send'), title: t('send') },
      // A press would take the focus, and with it a phone's keyboard.
      on: { pointerdown: (event) => event.preventDefault() },
    },
    icon('send', 18),
  )
  const fit = () => {
    box.style.height = 'auto'
    box.style.height = `${box.scrollHeight}px`
    button.disabled = box.value.trim() === ''
  }
  const send = () => {
    const text = box.value.trim()
    if (text === '') return
    // A refusal shows at the message itself.
    conversation.send({ type: 'text', text }).catch(() => undefined)
    box.value = ''
    drafts.delete(conversation.id)
    fit()
  }
  box.value = drafts.get(conversation.id) ?? ''
  const observer = new ResizeObserver(fit)
  observer.observe(box)
  scope.add(() => observer.disconnect())
  // On a touch screen the keyboard would cover what was just opened.
  if (matchMedia('(hover: hover)').matches) queueMicrotask(() => box.focus({ preventScroll: true }))
  return h(
    'form',
    {
      class: 'composer',
      on: {
        submit: (event) => {
          event.preventDefault()
          send()
        },
      },
    },
    box,
    button,
  )
}
