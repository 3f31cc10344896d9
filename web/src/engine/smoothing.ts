/** From the answers of single frames to a label that stays while the face does. */

import { CLASSES, NONE, greatest } from './classes.ts'
import type { Smooth } from './specification.ts'
import { entering } from './specification.ts'

const SLACK = 1e-9

/** The state of one face; `rules` may be replaced at any time. */
export class Smoother {
  rules: Smooth
  /** Class that is shown; -1 for uncertain. */
  label = NONE
  private average: number[] | undefined
  private mode: Smooth['mode']
  private time = -Infinity
  private since = -Infinity
  private kept = NONE
  private votes: number[] = []

  constructor(rules: Smooth) {
    this.rules = rules
    this.mode = rules.mode
  }

  /** Take in one frame's calibrated probabilities; the smoothed ones come back. */
  update(time: number, probabilities: ArrayLike<number>): number[] {
    if (this.mode !== this.rules.mode) {
      this.mode = this.rules.mode
      this.label = this.kept = NONE
      this.average = undefined
      this.time = this.since = -Infinity
      this.votes = []
    }
    const smoothed =
      this.mode === 'time' ? this.inTime(time, probabilities) : this.asOriginal(probabilities)
    this.time = time
    return smoothed
  }

  private inTime(time: number, probabilities: ArrayLike<number>): number[] {
    const { tau_s: tau, floor, hold_s: hold } = this.rules
    const logs = Array.from(probabilities, (value) => Math.log(Math.max(value, floor)))
    if (!this.average || tau === 0) this.average = logs
    else {
      const weight = 1 - Math.exp(-(time - this.time) / tau)
      this.average = this.average.map((old, index) => old + weight * (logs[index] - old))
    }
    const most = Math.max(...this.average)
    const smoothed = shares(this.average.map((value) => Math.exp(value - most)))
    if (this.label === NONE || time - this.since >= hold - SLACK) this.show(time, smoothed)
    return smoothed
  }

  private show(time: number, smoothed: number[]): void {
    const top = greatest(smoothed)
    let label = this.label
    if (top !== label && smoothed[top] >= entering(this.rules)[top]) label = top
    else if (label !== NONE && smoothed[label] < this.rules.leave) label = NONE
    if (label !== this.label) {
      this.label = label
      this.since = time
    }
  }

  private asOriginal(probabilities: ArrayLike<number>): number[] {
    const { alpha, delta, window, minimum } = this.rules
    const fresh = Array.from(probabilities)
    const old = this.average ?? fresh
    const average = fresh.map((value, index) => alpha * old[index] + (1 - alpha) * value)
    this.average = average
    const top = greatest(average)
    if (this.kept === NONE || average[top] >= average[this.kept] + delta) this.kept = top
    this.votes.push(this.kept)
    this.votes.splice(0, this.votes.length - window)
    const counts = CLASSES.map((_, index) => this.votes.filter((vote) => vote === index).length)
    const most = greatest(counts)
    this.label = counts[most] >= minimum ? most : NONE
    return shares(average)
  }
}

function shares(values: number[]): number[] {
  const sum = values.reduce((total, value) => total + value, 0)
  return values.map((value) => value / sum)
}
