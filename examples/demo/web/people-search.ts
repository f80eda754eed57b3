import type { Person } from '../src/demo-users.js'
import { avatar } from './avatar.js'
import { h, type Scope } from './dom.js'
import { t } from './i18n.js'
import { icon } from './icons.js'
import type { Session } from './session.js'

const PAUSE_MS = 200

/** A search box for people; choosing one opens the conversation with them. */
export function peopleSearch(scope: Scope, session: Session): HTMLElement {
  const results = h('div', { class: 'search-results', attrs: { 'data-testid': 'search-results' } })
  const input = h('input', {
    attrs: {
      type: 'search',
      name: 'people',
      placeholder: t('searchPeople'),
      'aria-label': t('searchPeople'),
      autocomplete: 'off',
      autocapitalize: 'none',
      spellcheck: 'false',
    },
    on: { input: () => soon(), keydown: (event) => onKey(event) },
  })
  const box = h('search', { class: 'search' }, h('label', { class: 'search-field' }, icon('search'), input), results)
  results.hidden = true

  let running = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const stop = () => {
    clearTimeout(timer)
    running.abort()
    running = new AbortController()
  }
  scope.add(stop)

  const say = (text: string) => results.replaceChildren(h('p', { class: 'search-note', attrs: { role: 'status' } }, text))
  const choose = ({ userId }: Person) => {
    stop()
    input.value = ''
    results.hidden = true
    session.view.openId.set(session.client.conversations.direct(userId).id)
  }
  const search = async (text: string) => {
    const { signal } = running
    try {
      const people = (await session.people.search(text, signal)).filter(({ userId }) => userId !== session.user.userId)
      if (signal.aborted) return
      if (people.length === 0) say(t('noPeople'))
      else results.replaceChildren(...people.map((person) => personButton(person, () => choose(person))))
    } catch {
      if (signal.aborted) return
      say(t('searchFailed'))
    }
    results.hidden = false
  }
  const soon = () => {
    stop()
    const text = input.value.trim()
    results.hidden = true
    if (text !== '') timer = setTimeout(() => void search(text), PAUSE_MS)
  }
  const onKey = (event: KeyboardEvent) => {
    if (event.isComposing) return
    const first = results.querySelector('button')
    if (event.key === 'Escape') {
      input.value = ''
      soon()
    } else if (event.key === 'ArrowDown') {
      first?.focus()
      event.preventDefault()
    } else if (event.key === 'Enter') first?.click()
  }
  results.addEventListener('keydown', (event) => {
    const step = event.key === 'ArrowDown' ? 'nextElementSibling' : event.key === 'ArrowUp' ? 'previousElementSibling' : undefined
    if (event.key === 'Escape') input.focus()
    if (step === undefined) return
    event.preventDefault()
    const next = document.activeElement?.[step]
    if (next instanceof HTMLElement) next.focus()
    else if (step === 'previousElementSibling') input.focus()
  })
  return box
}

const personButton = ({ userId, displayName }: Person, choose: () => void): HTMLElement =>
  h(
    'button',
    { class: 'row', attrs: { type: 'button', 'data-testid': 'search-result', 'data-user-id': userId }, on: { click: choose } },
    avatar(userId, displayName, 'small'),
    h('span', { class: 'row-text' }, h('span', { class: 'row-title' }, displayName), h('span', { class: 'row-preview' }, userId)),
  )
