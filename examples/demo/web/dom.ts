import type { Readable, Unsubscribe } from '@innerline/sdk-client'

type Child = Node | string | undefined | false

interface Props {
  readonly class?: string
  readonly attrs?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly on?: { readonly [E in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[E]) => void }
}

/**
 * Makes an element. Strings become text nodes, never markup, so nothing a user writes can be more than text. An attribute that is `true` is
 * set empty; `false` and `undefined` leave it out.
 */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  if (props.class !== undefined) element.className = props.class
  setAttributes(element, props.attrs ?? {})
  for (const [event, listener] of Object.entries(props.on ?? {})) element.addEventListener(event, listener as EventListener)
  element.append(...children.filter((child): child is Node | string => child !== undefined && child !== false))
  return element
}

/** Sets, changes or (with `false` and `undefined`) removes attributes. */
export function setAttributes(element: Element, attrs: NonNullable<Props['attrs']>): void {
  for (const [name, value] of Object.entries(attrs)) {
    if (value === undefined || value === false) element.removeAttribute(name)
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? '' : String(value))
  }
}

/** Sets the text only when it differs, so that screen readers do not hear it again. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

/** Makes the children of `parent` exactly `nodes`, moving only what is not in place: focus and selection elsewhere survive. */
export function setChildren(parent: Element, nodes: readonly Node[]): void {
  const wanted = new Set(nodes)
  for (const child of [...parent.childNodes]) if (!wanted.has(child)) child.remove()
  nodes.forEach((node, index) => {
    if (parent.childNodes[index] !== node) parent.insertBefore(node, parent.childNodes[index] ?? null)
  })
}

/** A value that can be watched; the page's own state in the SDK's contract. */
export class Cell<T> implements Readable<T> {
  readonly #listeners = new Set<() => void>()
  #value: T

  constructor(value: T) {
    this.#value = value
  }

  readonly getSnapshot = (): T => this.#value

  readonly subscribe = (listener: () => void): Unsubscribe => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return
    this.#value = value
    for (const listener of [...this.#listeners]) listener()
  }
}

/** Everything a component must undo when it leaves the page. */
export class Scope {
  readonly #undo: (() => void)[] = []
  #ended = false

  /** Registers an undo; after the end it runs at once. */
  add(undo: () => void): void {
    if (this.#ended) undo()
    else this.#undo.push(undo)
  }

  /** A scope that ends with this one, or earlier. */
  child(): Scope {
    const child = new Scope()
    this.add(() => child.end())
    return child
  }

  /** Runs `render` now and after changes of any source, once for all changes of one turn. */
  watch(sources: readonly Readable<unknown>[], render: () => void): void {
    let due = false
    const later = () => {
      if (due) return
      due = true
      // Not requestAnimationFrame: a hidden tab must still show its unread count in the title.
      queueMicrotask(() => {
        due = false
        if (!this.#ended) render()
      })
    }
    for (const source of sources) this.add(source.subscribe(later))
    render()
  }

  listen<E extends keyof WindowEventMap>(target: Window | Document, event: E, listener: (event: WindowEventMap[E]) => void): void {
    target.addEventListener(event, listener as EventListener)
    this.add(() => target.removeEventListener(event, listener as EventListener))
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    for (const undo of this.#undo.reverse()) undo()
  }
}
