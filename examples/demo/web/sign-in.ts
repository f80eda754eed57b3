import { isImError } from '@innerline/sdk-client'
import { DEMO_PASSWORD, DEMO_USERS } from '../src/demo-users.js'
import { avatar } from './avatar.js'
import { h, setText } from './dom.js'
import { type TextKey, t } from './i18n.js'
import { icon } from './icons.js'
import { type Credentials, signIn } from './session.js'

const TYPE_TEXTS = { user: 'userTypeUser', agent: 'userTypeAgent', customer: 'userTypeCustomer' } as const satisfies Record<string, TextKey>

/** Why signing in failed, in words. */
export function signInProblem(error: unknown): string {
  return isImError(error, 'UNAUTHORIZED') ? t('wrongPassword') : isImError(error, 'UNAVAILABLE') ? t('unreachable') : String(error)
}

/** The form to sign in with, and the demo's people to sign in as with one click. `suggested` is filled in. */
export function signInView(suggested: string, problem: string | undefined, done: (credentials: Credentials) => void): HTMLElement {
  const username = h('input', {
    attrs: { name: 'username', value: suggested, autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', required: true },
  })
  const password = h('input', { attrs: { name: 'password', type: 'password', autocomplete: 'current-password', required: true } })
  const complaint = h('p', { class: 'form-problem', attrs: { role: 'alert' } }, problem)
  const controls: (HTMLButtonElement | HTMLInputElement)[] = [username, password]

  const enter = async (name: string, secret: string) => {
    setText(complaint, '')
    for (const control of controls) control.disabled = true
    try {
      done(await signIn(name, secret))
    } catch (error) {
      setText(complaint, signInProblem(error))
      for (const control of controls) control.disabled = false
      username.focus()
    }
  }

  const submit = h('button', { class: 'button primary', attrs: { type: 'submit' } }, t('signIn'))
  const people = DEMO_USERS.map(({ userId, displayName, userType }) =>
    h(
      'button',
      {
        class: 'person',
        attrs: { type: 'button', 'data-testid': 'demo-user', 'data-user-id': userId },
        on: { click: () => void enter(userId, DEMO_PASSWORD) },
      },
      avatar(userId, displayName),
      h('span', { class: 'person-text' }, h('strong', {}, displayName), h('small', {}, `${userId} · ${t(TYPE_TEXTS[userType])}`)),
    ),
  )
  controls.push(submit, ...people)
  const form = h(
    'form',
    {
      class: 'sign-in-form',
      attrs: { 'data-testid': 'sign-in' },
      on: {
        submit: (event) => {
          event.preventDefault()
          void enter(username.value.trim(), password.value)
        },
      },
    },
    h('label', {}, h('span', {}, t('username')), username),
    h('label', {}, h('span', {}, t('password')), password),
    complaint,
    submit,
  )
  return h(
    'div',
    { class: 'sign-in' },
    h(
      'div',
      { class: 'sign-in-card' },
      h(
        'div',
        { class: 'sign-in-brand' },
        h('span', { class: 'brand-mark' }, icon('bubble', 22)),
        h('h1', {}, 'Innerline'),
        h('p', {}, t('tagline')),
      ),
      form,
      h('p', { class: 'rule' }, h('span', {}, t('orPick'))),
      h('div', { class: 'people' }, ...people),
      h('p', { class: 'note' }, t('memoryNote')),
    ),
  )
}
