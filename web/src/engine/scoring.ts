/** How well a labelled session was answered, with the keys of `score_results.json`.
 *
 * One policy holds throughout: *uncertain* is an answer that is wrong, in accuracy and in F1, and
 * `coverage` says how often there was another. Intervals are left to `fer live score`.
 */

import { CLASSES, NONE, greatest } from './classes.ts'
import type { Score } from './specification.ts'

/** What one frame says of the main face; -1 for no label and no answer. */
export interface Scored {
  readonly time: number
  readonly manual: number
  readonly raw: number
  readonly smoothed: number
  readonly p_raw: readonly number[] | null
  readonly p_smoothed: readonly number[] | null
}

interface Segment {
  readonly label: number
  readonly first: number
  readonly last: number
  readonly scored: number[]
  readonly follows: number
}

type Kind = 'smoothed' | 'raw'

const KINDS: Kind[] = ['smoothed', 'raw']
const SLACK = 1e-9
const LEAST = 1e-12

export type Results = ReturnType<typeof score>

/** The metrics of a session; null where there is nothing to measure. */
export function score(frames: readonly Scored[], rules: Score) {
  const parts = segments(frames, rules)
  const kept = parts.filter((part) => part.scored.length)
  const chosen = kept.flatMap((part) => part.scored)
  const blocks = both((kind) =>
    block(
      chosen.map((index) => frames[index]),
      kind,
      rules,
    ),
  )
  const whole = [frames.map((_, index) => index)]
  return {
    frames_total: frames.length,
    frames_with_manual: frames.filter((frame) => frame.manual >= 0).length,
    unstable_frames: frames.filter((frame) => frame.smoothed < 0).length,
    protocol: {
      min_hold_ms: 1000 * rules.min_segment_s,
      exclusion_ms: 1000 * rules.exclusion_s,
      uncertain: 'wrong in accuracy and in F1',
    },
    scored: {
      scored_frames: chosen.length,
      accuracy: blocks.smoothed.accuracy,
      segments: kept.length,
      segments_left_out: parts.length - kept.length,
    },
    metrics: {
      scored_frames_for_f1: chosen.length,
      missing_prob_rows: chosen.filter((index) => frames[index].p_raw === null).length,
      ...blocks,
    },
    jitter_flips_per_min: flips(frames, whole, 'smoothed'),
    flips_per_min: both((kind) => ({
      all: flips(frames, whole, kind),
      scored: flips(
        frames,
        kept.map((part) => part.scored),
        kind,
      ),
    })),
    switch_delay_ms: both((kind) => delays(frames, kept, kind)),
    intervals: null,
  }
}

/** The labelled segments of a session in order. */
export function segments(frames: readonly Scored[], rules: Score): Segment[] {
  const found: Segment[] = []
  for (let start = 0; start < frames.length;) {
    let end = start + 1
    while (end < frames.length && frames[end].manual === frames[start].manual) end++
    const label = frames[start].manual
    if (label >= 0) {
      const begin = frames[start].time
      const until = frames[end - 1].time
      const scored: number[] = []
      for (let index = start; index < end; index++) {
        if (
          until - begin >= rules.min_segment_s - SLACK &&
          frames[index].time - begin >= rules.exclusion_s - SLACK &&
          until - frames[index].time >= rules.exclusion_s - SLACK
        ) {
          scored.push(index)
        }
      }
      found.push({
        label,
        first: start,
        last: end - 1,
        scored,
        follows: found.at(-1)?.label ?? NONE,
      })
    }
    start = end
  }
  return found
}

function both<Value>(of: (kind: Kind) => Value): Record<Kind, Value> {
  return Object.fromEntries(KINDS.map((kind) => [kind, of(kind)])) as Record<Kind, Value>
}

function block(frames: readonly Scored[], kind: Kind, rules: Score) {
  const confusion = confusionOf(frames, kind)
  const perClass = f1(confusion)
  const rows = frames.flatMap((frame) => {
    const row = kind === 'smoothed' ? frame.p_smoothed : frame.p_raw
    return row ? [{ label: frame.manual, row }] : []
  })
  return {
    ...values(confusion),
    per_class_f1: byClass(perClass),
    per_class_support: byClass(confusion.map(sum)),
    confusion_matrix: confusion.map((row) => row.slice(0, CLASSES.length)),
    uncertain: confusion.map((row) => row[CLASSES.length]),
    ...calibration(rows, rules.bins),
  }
}

/** Rows: manual labels; columns: answers, the last is uncertain or no face. */
function confusionOf(frames: readonly Scored[], kind: Kind): number[][] {
  const counts = CLASSES.map(() => new Array<number>(CLASSES.length + 1).fill(0))
  for (const frame of frames) {
    const answer = frame[kind]
    counts[frame.manual][answer < 0 ? CLASSES.length : answer]++
  }
  return counts
}

function f1(confusion: number[][]): number[] {
  return confusion.map((row, index) => {
    const given = sum(confusion.map((other) => other[index]))
    return (2 * row[index]) / Math.max(given + sum(row), 1)
  })
}

function values(confusion: number[][]) {
  const total = sum(confusion.map(sum))
  if (!total) {
    return {
      accuracy: null,
      coverage: null,
      macro_f1: null,
      macro_f1_present: null,
      minority_f1_lowest3: null,
    }
  }
  const perClass = f1(confusion)
  const present = perClass.filter((_, index) => sum(confusion[index]) > 0)
  const lowest = [...present].sort((one, other) => one - other).slice(0, 3)
  return {
    accuracy: sum(confusion.map((row, index) => row[index])) / total,
    coverage: sum(confusion.map((row) => sum(row.slice(0, CLASSES.length)))) / total,
    macro_f1: mean(perClass),
    macro_f1_present: mean(present),
    minority_f1_lowest3: mean(lowest),
  }
}

function calibration(rows: { label: number; row: readonly number[] }[], bins: number) {
  if (!rows.length) return { ece: null, nll: null }
  const gaps = new Array<number>(bins).fill(0)
  let likelihood = 0
  for (const { label, row } of rows) {
    const top = greatest(row)
    const place = Math.min(Math.max(Math.ceil(row[top] * bins) - 1, 0), bins - 1)
    gaps[place] += (top === label ? 1 : 0) - row[top]
    likelihood -= Math.log(Math.max(row[label], LEAST))
  }
  return { ece: sum(gaps.map(Math.abs)) / rows.length, nll: likelihood / rows.length }
}

function flips(frames: readonly Scored[], parts: readonly number[][], kind: Kind): number | null {
  let changes = 0
  let seconds = 0
  for (const part of parts) {
    if (!part.length) continue
    const given = part.map((index) => frames[index][kind]).filter((answer) => answer >= 0)
    changes += given.filter((answer, place) => place > 0 && answer !== given[place - 1]).length
    seconds += frames[part[part.length - 1]].time - frames[part[0]].time
  }
  return seconds > 0 ? (60 * changes) / seconds : null
}

function delays(frames: readonly Scored[], kept: readonly Segment[], kind: Kind) {
  const found: number[] = []
  for (const part of kept) {
    if (part.follows === NONE || part.follows === part.label) continue
    let hit = part.first
    while (hit <= part.last && frames[hit][kind] !== part.label) hit++
    found.push(hit > part.last ? Infinity : 1000 * (frames[hit].time - frames[part.first].time))
  }
  const median = medianOf(found)
  return {
    changes: found.length,
    never: found.filter((delay) => delay === Infinity).length,
    median: median === null || !Number.isFinite(median) ? null : median,
  }
}

function medianOf(numbers: number[]): number | null {
  if (!numbers.length) return null
  const sorted = [...numbers].sort((one, other) => one - other)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function byClass(numbers: number[]): Record<string, number> {
  return Object.fromEntries(CLASSES.map((name, index) => [name, numbers[index]]))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, value) => total + value, 0)
}

function mean(numbers: readonly number[]): number {
  return sum(numbers) / numbers.length
}
