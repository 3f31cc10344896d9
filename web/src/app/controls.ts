/** Sliders and keys of the rules, in both modes of smoothing. */

import type { Smooth, Specification } from '../engine/specification.ts'
import { withSmooth } from '../engine/specification.ts'
import { byId, make } from './elements.ts'

type Numeric = 'tau_s' | 'enter' | 'leave' | 'hold_s' | 'alpha' | 'delta' | 'window' | 'minimum'

interface Control {
  readonly name: Numeric
  readonly text: string
  readonly low: number
  readonly high: number
  readonly step: number
  /** Of the keys; the slider's step where a key is as fine. */
  readonly keyStep: number
  readonly keys: readonly [less: string, more: string]
  readonly show: (value: number) => string
}

const seconds = (value: number) => `${value.toFixed(2)} s`
const share = (value: number) => value.toFixed(2)
const whole = (value: number) => String(value)

/** The keys of the original demo, on what they mean in each mode. */
export const CONTROLS: Record<Smooth['mode'], readonly Control[]> = {
  time: [
    {
      name: 'tau_s',
      text: 'Averaging time',
      low: 0,
      high: 2,
      step: 0.05,
      keyStep: 0.05,
      keys: ['[', ']'],
      show: seconds,
    },
    {
      name: 'enter',
      text: 'Show a label from',
      low: 0.2,
      high: 0.98,
      step: 0.01,
      keyStep: 0.02,
      keys: ['-', '='],
      show: share,
    },
    {
      name: 'leave',
      text: 'Take it back below',
      low: 0.05,
      high: 0.98,
      step: 0.01,
      keyStep: 0.02,
      keys: ['n', 'm'],
      show: share,
    },
    {
      name: 'hold_s',
      text: 'Keep it at least',
      low: 0,
      high: 2,
      step: 0.05,
      keyStep: 0.05,
      keys: ['v', 'b'],
      show: seconds,
    },
  ],
  original: [
    {
      name: 'alpha',
      text: 'Weight of the old value',
      low: 0,
      high: 0.99,
      step: 0.01,
      keyStep: 0.05,
      keys: ['[', ']'],
      show: share,
    },
    {
      name: 'delta',
      text: 'Lead of a new class',
      low: 0,
      high: 0.5,
      step: 0.01,
      keyStep: 0.02,
      keys: ['-', '='],
      show: share,
    },
    {
      name: 'window',
      text: 'Frames that vote',
      low: 1,
      high: 101,
      step: 2,
      keyStep: 2,
      keys: ['v', 'b'],
      show: whole,
    },
    {
      name: 'minimum',
      text: 'Votes that a label needs',
      low: 1,
      high: 101,
      step: 1,
      keyStep: 1,
      keys: ['n', 'm'],
      show: whole,
    },
  ],
}

export class Controls {
  private readonly changed: (rules: Specification) => void
  private readonly defaults: Specification
  rules: Specification

  /** @param changed is called with every change that a person makes. */
  constructor(rules: Specification, changed: (rules: Specification) => void) {
    this.rules = this.defaults = rules
    this.changed = changed
    for (const radio of document.querySelectorAll<HTMLInputElement>('input[name=mode]')) {
      radio.addEventListener('change', () => this.set('mode', radio.value as Smooth['mode']))
    }
    byId('defaults').addEventListener('click', () => this.take(this.defaults))
    this.build()
  }

  /** Change a rule by a key; false where the key means nothing here. */
  press(key: string): boolean {
    const control = CONTROLS[this.rules.smooth.mode].find(({ keys }) => keys.includes(key))
    if (!control) return false
    const sign = control.keys[0] === key ? -1 : 1
    const moved = this.rules.smooth[control.name] + sign * control.keyStep
    const rounded = Math.round(moved * 1000) / 1000
    this.set(control.name, Math.min(Math.max(rounded, control.low), control.high))
    return true
  }

  /** Show these rules without telling anyone, as when they come from elsewhere. */
  show(rules: Specification): void {
    const mode = this.rules.smooth.mode
    this.rules = rules
    if (mode !== rules.smooth.mode) this.build()
    else this.fill()
  }

  private set<Name extends keyof Smooth>(name: Name, value: Smooth[Name]): void {
    this.take(withSmooth(this.rules, name, value))
  }

  private take(rules: Specification): void {
    this.show(rules)
    this.changed(rules)
  }

  private build(): void {
    const { mode } = this.rules.smooth
    const rows = CONTROLS[mode].map((control) => {
      const id = `slider-${control.name}`
      const label = make('label', control.text, { for: id })
      for (const key of control.keys) label.append(make('kbd', key, { 'aria-hidden': 'true' }))
      const input = make('input', '', {
        id,
        type: 'range',
        min: String(control.low),
        max: String(control.high),
        step: String(control.step),
      })
      input.addEventListener('input', () => this.set(control.name, Number(input.value)))
      const row = make('div', '', { class: 'slider' })
      row.append(label, make('output', '', { for: id }), input)
      return row
    })
    byId('sliders').replaceChildren(...rows)
    for (const radio of document.querySelectorAll<HTMLInputElement>('input[name=mode]')) {
      radio.checked = radio.value === mode
    }
    this.fill()
  }

  private fill(): void {
    for (const control of CONTROLS[this.rules.smooth.mode]) {
      const input = byId<HTMLInputElement>(`slider-${control.name}`)
      const value = this.rules.smooth[control.name]
      input.value = String(value)
      input.setAttribute('aria-valuetext', control.show(value))
      input.parentElement!.querySelector('output')!.textContent = control.show(value)
    }
  }
}
