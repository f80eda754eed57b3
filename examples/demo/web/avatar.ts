import { h } from './dom.js'
import { colourOf, initials } from './format.js'

/** A round avatar: initials of the name on a colour of the id. */
export const avatar = (id: string, name: string, size: 'small' | 'normal' = 'normal'): HTMLSpanElement =>
  h('span', { class: `avatar avatar-${size} avatar-${colourOf(id)}`, attrs: { 'aria-hidden': 'true' } }, initials(name))
