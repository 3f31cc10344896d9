/** The colours of the seven classes, as the style sheet has them for light and dark. */

import { CLASSES } from '../engine/classes.ts'

export interface Colours {
  readonly classes: string[]
  readonly ink: string
  readonly soft: string
  readonly rule: string
}

let known: Colours | undefined
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => (known = undefined))

export function colours(): Colours {
  if (!known) {
    const style = getComputedStyle(document.documentElement)
    const of = (name: string) => style.getPropertyValue(name).trim()
    known = {
      classes: CLASSES.map((_, index) => of(`--c${index}`)),
      ink: of('--ink'),
      soft: of('--soft'),
      rule: of('--rule'),
    }
  }
  return known
}

/** Over pictures the colours are the same in light and dark. */
export const ON_PICTURES = [
  '#f2836b',
  '#d3d05c',
  '#b692e6',
  '#f2bd4b',
  '#7db2f0',
  '#f08db8',
  '#c8d0d4',
]
export const UNSURE = '#e7eaeb'
