/** The rules of a live session: `thresholds.json` of a session, the same value as in Python. */

import { CLASSES } from './classes.ts'

export interface Detect {
  longest_side: number
  every: number
  budget_ms: number
  score: number
  overlap: number
  margin: number
  most_faces: number
}

export interface Track {
  iou: number
  distance: number
  size: number
  keep_s: number
}

export interface Smooth {
  mode: 'time' | 'original'
  tau_s: number
  floor: number
  enter: number
  enter_of: Record<string, number>
  leave: number
  hold_s: number
  alpha: number
  delta: number
  window: number
  minimum: number
}

export interface Score {
  min_segment_s: number
  exclusion_s: number
  bins: number
  resamples: number
}

export interface Specification {
  detect: Detect
  track: Track
  smooth: Smooth
  score: Score
}

export const DEFAULTS: Specification = {
  detect: {
    longest_side: 320,
    every: 0,
    budget_ms: 33,
    score: 0.7,
    overlap: 0.3,
    margin: -0.025,
    most_faces: 8,
  },
  track: { iou: 0.3, distance: 0.6, size: 0.5, keep_s: 0.5 },
  smooth: {
    mode: 'time',
    tau_s: 0.15,
    floor: 0.001,
    enter: 0.4,
    enter_of: {},
    leave: 0.25,
    hold_s: 0.2,
    alpha: 0.7,
    delta: 0.08,
    window: 15,
    minimum: 8,
  },
  score: { min_segment_s: 0.6, exclusion_s: 0.25, bins: 15, resamples: 1000 },
}

/** Some of the rules; what is not given keeps its default. */
export type PartOfSpecification = { [Part in keyof Specification]?: Partial<Specification[Part]> }

export function specification(values: PartOfSpecification = {}): Specification {
  return {
    detect: { ...DEFAULTS.detect, ...values.detect },
    track: { ...DEFAULTS.track, ...values.track },
    smooth: { ...DEFAULTS.smooth, ...values.smooth },
    score: { ...DEFAULTS.score, ...values.score },
  }
}

/** The probability at which each class is given, in class order. */
export function entering(smooth: Smooth): number[] {
  return CLASSES.map((name) => smooth.enter_of[name] ?? smooth.enter)
}

/** The rules with one of `smooth` changed and the others moved where they must follow. */
export function withSmooth<Name extends keyof Smooth>(
  rules: Specification,
  name: Name,
  value: Smooth[Name],
): Specification {
  const smooth = { ...rules.smooth, [name]: value }
  if (name === 'window') smooth.minimum = Math.min(smooth.minimum, smooth.window)
  if (name === 'minimum') smooth.window = Math.max(smooth.window, smooth.minimum)
  const least = Math.min(...entering(smooth))
  if (name === 'leave' && smooth.leave > least) smooth.enter = Math.max(smooth.enter, smooth.leave)
  smooth.leave = Math.min(smooth.leave, ...entering(smooth))
  return { ...rules, smooth }
}
