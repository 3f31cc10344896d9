/** The answer for one face: its label, its bars, and which of several faces it is. */

import { CLASSES } from '../engine/classes.ts'
import type { Analysis, Face } from '../engine/engine.ts'
import { inOrder } from '../engine/session.ts'
import { byId, make, percent } from './elements.ts'

const SPOKEN_EVERY_MS = 2500

export class Panel {
  private readonly bars: {
    row: HTMLElement
    fill: HTMLElement
    mark: HTMLElement
    value: HTMLElement
  }[]
  private readonly choose: (track: number) => void
  private faces = ''
  private said = { text: '', at: 0 }

  /** @param choose is called with the track of a face that a person picks. */
  constructor(choose: (track: number) => void) {
    this.choose = choose
    this.bars = CLASSES.map((name, index) => {
      const row = make('li')
      row.style.setProperty('--own', `var(--c${index})`)
      const track = make('span', '', { class: 'track', 'aria-hidden': 'true' })
      const fill = make('i')
      const mark = make('u')
      const value = make('b', '–')
      track.append(fill, mark)
      row.append(make('span', name), track, value)
      byId('bars').append(row)
      return { row, fill, mark, value }
    })
  }

  /** Draw the line from which a label is shown. */
  marks(shares: number[]): void {
    this.bars.forEach(({ mark }, index) => (mark.style.left = `${shares[index] * 100}%`))
  }

  show(analysis: Analysis): void {
    const faces = inOrder(analysis)
    const face = faces.find((one) => one.track === analysis.main)
    this.tabs(faces, analysis.main)
    const text = !face ? 'No face' : face.label < 0 ? 'Uncertain' : CLASSES[face.label]
    const confidence = face && face.label >= 0 ? percent(face.smoothed[face.label]) : ''
    const answer = byId('answer')
    answer.classList.toggle('unsure', !face || face.label < 0)
    setText(answer.firstElementChild!, text)
    setText(answer.lastElementChild!, confidence)
    this.bars.forEach(({ row, fill, value }, index) => {
      const share = face?.smoothed[index] ?? 0
      row.classList.toggle('top', face?.label === index)
      fill.style.transform = `translateX(${share ? (share - 1) * 100 : -101}%)`
      setText(value, face ? percent(share) : '–')
    })
    this.say(faces.length > 1 && face ? `Face ${face.track}: ${text}` : text)
  }

  private tabs(faces: Face[], main: number | null): void {
    const tracks = faces.map((face) => face.track).sort((one, other) => one - other)
    const key = `${tracks} ${main}`
    if (key === this.faces) return
    this.faces = key
    const group = byId('faces')
    group.hidden = tracks.length < 2
    group.replaceChildren(
      ...tracks.map((track) => {
        const button = make('button', `Face ${track}`, {
          type: 'button',
          'aria-pressed': String(track === main),
        })
        button.addEventListener('click', () => this.choose(track))
        return button
      }),
    )
  }

  /** Tell screen readers of a new answer, but not of each flicker. */
  private say(text: string): void {
    const now = performance.now()
    if (text === this.said.text || now - this.said.at < SPOKEN_EVERY_MS) return
    this.said = { text, at: now }
    byId('spoken').textContent = text
  }
}

function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}
