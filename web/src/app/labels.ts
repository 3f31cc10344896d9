/** The seven labels that a person can give, as buttons and keys. */

import { CLASSES, NONE } from '../engine/classes.ts'
import { byId, make } from './elements.ts'

export class Labels {
  private readonly buttons: HTMLButtonElement[]
  private readonly given: (label: number) => void
  label = NONE

  /** @param given is called with a class, or -1 when the label is taken back. */
  constructor(given: (label: number) => void) {
    this.given = given
    this.buttons = CLASSES.map((name, index) => this.button(name, String(index + 1), index))
    const clear = this.button('No label', 'c', NONE)
    clear.className = 'clear'
    clear.removeAttribute('aria-pressed')
    byId('labels').append(...this.buttons, clear)
  }

  give(label: number): void {
    this.show(label)
    this.given(label)
  }

  show(label: number): void {
    this.label = label
    this.buttons.forEach((button, index) =>
      button.setAttribute('aria-pressed', String(index === label)),
    )
  }

  private button(name: string, key: string, index: number): HTMLButtonElement {
    const button = make('button', '', { type: 'button', 'aria-pressed': 'false' })
    if (index >= 0) button.style.setProperty('--own', `var(--c${index})`)
    button.append(make('kbd', key), make('span', name))
    button.setAttribute('aria-label', name)
    button.setAttribute('aria-keyshortcuts', key)
    button.addEventListener('click', () => this.give(index === this.label ? NONE : index))
    return button
  }
}
