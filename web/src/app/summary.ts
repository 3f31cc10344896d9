/** What is shown at the end of a session. */

import { CLASSES } from '../engine/classes.ts'
import type { Results } from '../engine/scoring.ts'
import { byId, clockTime, make } from './elements.ts'

export interface Summary {
  readonly seconds: number
  readonly frames: number
  readonly withFace: number
  readonly faces: number
  readonly rate: number
  readonly score: Pick<
    Results,
    'scored' | 'metrics' | 'flips_per_min' | 'switch_delay_ms' | 'frames_with_manual'
  >
}

export function showSummary(summary: Summary): void {
  const { score } = summary
  const shown: [string, string][] = [
    ['duration', clockTime(summary.seconds)],
    ['frames', summary.frames.toLocaleString('en')],
    ['frames a second', summary.rate ? summary.rate.toFixed(1) : '–'],
    ['frames with a face', summary.frames ? share(summary.withFace / summary.frames) : '–'],
  ]
  if (score.scored.scored_frames) {
    shown.push(
      ['accuracy', share(score.metrics.smoothed.accuracy)],
      ['macro-F1', share(score.metrics.smoothed.macro_f1_present)],
      ['coverage', share(score.metrics.smoothed.coverage)],
      ['switch delay', delay(score.switch_delay_ms.smoothed)],
    )
  }
  byId('tiles').replaceChildren(
    ...shown.map(([term, value]) => {
      const tile = make('div')
      tile.append(make('dt', term), make('dd', value))
      return tile
    }),
  )
  byId('score').replaceChildren(...scoreOf(summary))
}

function scoreOf({ score }: Summary): HTMLElement[] {
  if (!score.scored.scored_frames) {
    const text = score.frames_with_manual
      ? 'Your labels were too short to be scored: a label counts from 0.6 s on, without 0.25 s at each end.'
      : 'No labels were given, so there is no score. Press 1 to 7 while the session runs to say what you see.'
    return [make('p', text, { class: 'quietly' })]
  }
  const table = make('table')
  table.append(make('caption', 'Against your labels'))
  const head = make('thead')
  head.append(row('th', ['', 'scored frames', 'F1, one frame', 'F1, smoothed']))
  const body = make('tbody')
  const { raw, smoothed } = score.metrics
  for (const name of CLASSES) {
    if (!smoothed.per_class_support[name]) continue
    body.append(
      row('td', [
        name,
        String(smoothed.per_class_support[name]),
        share(raw.per_class_f1[name]),
        share(smoothed.per_class_f1[name]),
      ]),
    )
  }
  body.append(
    row('td', [
      'Accuracy',
      String(score.scored.scored_frames),
      share(raw.accuracy),
      share(smoothed.accuracy),
    ]),
  )
  body.append(
    row('td', [
      'Changes of answer a minute',
      '',
      one(score.flips_per_min.raw.scored),
      one(score.flips_per_min.smoothed.scored),
    ]),
  )
  table.append(head, body)
  return [
    table,
    make('p', 'Uncertain counts as wrong. Coverage is the share of frames with an answer.', {
      class: 'quietly',
    }),
  ]
}

function row(kind: 'th' | 'td', cells: string[]): HTMLTableRowElement {
  const line = make('tr')
  cells.forEach((cell, index) =>
    line.append(
      index === 0 ? make('th', cell, { scope: kind === 'th' ? 'col' : 'row' }) : make(kind, cell),
    ),
  )
  return line
}

function delay({ changes, median }: { changes: number; median: number | null }): string {
  if (median !== null) return `${Math.round(median)} ms`
  return changes ? 'never' : '–'
}

function share(value: number | null): string {
  return value === null ? '–' : `${(100 * value).toFixed(1)} %`
}

function one(value: number | null): string {
  return value === null ? '–' : value.toFixed(1)
}
