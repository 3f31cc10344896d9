/** One frame in, tracked faces with calibrated and smoothed probabilities out. */

import type { Calibration } from './calibration.ts'
import { probabilitiesOf } from './calibration.ts'
import { greatest } from './classes.ts'
import type { Found } from './detector.ts'
import { decode, kept } from './detector.ts'
import type { Box, Picture } from './picture.ts'
import { cut, faceSquare, resize, roundHalfEven } from './picture.ts'
import type { Preprocessing } from './preprocessing.ts'
import { prepare } from './preprocessing.ts'
import { Smoother } from './smoothing.ts'
import type { Specification } from './specification.ts'
import { Tracker } from './tracking.ts'

/** The two graphs, ready to run. */
export interface Networks {
  /** YuNet on a picture; outputs by name. */
  detect(picture: Picture): Promise<Record<string, Float32Array>>
  /** Logits of prepared faces, seven each. */
  classify(faces: Picture[]): Promise<Float32Array>
}

/** What is known of one face in one frame. */
export interface Face {
  readonly track: number
  readonly box: Box
  readonly score: number
  /** Calibrated probabilities of this frame alone. */
  readonly raw: number[]
  readonly smoothed: number[]
  readonly rawLabel: number
  /** What is shown; -1 for uncertain. */
  readonly label: number
}

export interface Analysis {
  readonly time: number
  readonly width: number
  readonly height: number
  /** Largest first. */
  readonly faces: Face[]
  /** Track of the main face, if it is in this frame. */
  readonly main: number | null
  /** Whether faces were looked for in this frame, and not only followed. */
  readonly searched: boolean
  readonly detectMs: number
  readonly classifyMs: number
  readonly totalMs: number
}

export interface EngineOptions {
  readonly preprocessing: Preprocessing
  readonly calibration: Calibration
  readonly specification: Specification
  readonly clock?: () => number
}

const MOST_OF_IMAGE = 1.5
const MOST_SKIPPED = 10

export class Engine {
  private readonly networks: Networks
  private readonly options: EngineOptions
  private readonly clock: () => number
  private rules: Specification
  private tracker: Tracker
  private smoothers = new Map<number, Smoother>()
  private found: { face: Found; box: Box; track: number }[] = []
  private untilSearch = 0
  private lastSearch = -Infinity
  private searchMs = 0
  private otherMs = 0

  constructor(networks: Networks, options: EngineOptions) {
    this.networks = networks
    this.options = options
    this.clock = options.clock ?? (() => performance.now())
    this.rules = options.specification
    this.tracker = new Tracker(this.rules.track)
  }

  /** Forget all faces, as at the start of another source. */
  reset(): void {
    this.tracker = new Tracker(this.rules.track)
    this.smoothers.clear()
    this.found = []
    this.untilSearch = 0
    this.lastSearch = -Infinity
  }

  /** Go on with other rules. */
  follow(rules: Specification): void {
    this.rules = rules
    this.tracker.rules = rules.track
    for (const smoother of this.smoothers.values()) smoother.rules = rules.smooth
  }

  /** Make a living face the main one. */
  choose(track: number): void {
    if (this.tracker.living.includes(track)) this.tracker.main = track
  }

  async analyse(picture: Picture, time: number): Promise<Analysis> {
    const begin = this.clock()
    // a face that is only followed must not be forgotten for want of a search
    const late = time - this.lastSearch >= this.rules.track.keep_s / 2
    const searched = this.untilSearch <= 0 || late
    if (searched) await this.renew(picture, time)
    const detected = this.clock()
    const boxes = this.found.map(({ box }) => box)
    const probabilities = await this.probabilities(picture, boxes)
    const faces = this.found.map(({ face, box, track }, index): Face => {
      const smoother = this.smootherOf(track)
      const raw = probabilities[index]
      const smoothed = smoother.update(time, raw)
      return {
        track,
        box,
        score: face.score,
        raw,
        smoothed,
        rawLabel: greatest(raw),
        label: smoother.label,
      }
    })
    const end = this.clock()
    this.plan(searched, detected - begin, end - detected)
    const main = this.tracker.main
    return {
      time,
      width: picture.width,
      height: picture.height,
      faces,
      main: faces.some((face) => face.track === main) ? main! : null,
      searched,
      detectMs: detected - begin,
      classifyMs: end - detected,
      totalMs: end - begin,
    }
  }

  /** Look for faces, and number them. */
  private async renew(picture: Picture, time: number): Promise<void> {
    this.lastSearch = time
    const found = await this.search(picture)
    const boxes = found.map(wholeBox)
    const tracks = this.tracker.update(
      time,
      boxes.map((box) => [box.left, box.top, box.width, box.height]),
    )
    this.found = found.map((face, index) => ({ face, box: boxes[index], track: tracks[index] }))
    const living = new Set(this.tracker.living)
    for (const track of this.smoothers.keys()) if (!living.has(track)) this.smoothers.delete(track)
  }

  /** When to search next: as often as the time budget of a frame allows, by moving averages. */
  private plan(searched: boolean, searchMs: number, otherMs: number): void {
    const { every: fixed, budget_ms: budget } = this.rules.detect
    if (searched) this.searchMs = blend(this.searchMs, searchMs)
    this.otherMs = blend(this.otherMs, otherMs)
    const left = Math.max(budget - this.otherMs, 1e-3)
    const every = fixed || Math.min(Math.max(Math.ceil(this.searchMs / left), 1), MOST_SKIPPED)
    this.untilSearch = (searched ? every : Math.min(this.untilSearch, every)) - 1
  }

  private async search(picture: Picture): Promise<Found[]> {
    const { longest_side, overlap, most_faces } = this.rules.detect
    const factor = Math.min(longest_side / Math.max(picture.width, picture.height), 1)
    const side = (length: number) => Math.max(roundHalfEven(length * factor), 1)
    const level = factor < 1 ? resize(picture, side(picture.width), side(picture.height)) : picture
    const found = decode(await this.networks.detect(level), level, this.rules.detect)
    const across = picture.width / level.width
    const down = picture.height / level.height
    const scaled = found.map((face) => ({
      x: face.x * across,
      y: face.y * down,
      width: face.width * across,
      height: face.height * down,
      score: face.score,
    }))
    const sound = scaled.filter((face) => {
      const x = face.x + face.width / 2
      const y = face.y + face.height / 2
      const most = MOST_OF_IMAGE * Math.max(picture.width, picture.height)
      const inside = x >= 0 && x <= picture.width && y >= 0 && y <= picture.height
      return inside && face.width <= most && face.height <= most
    })
    return kept(sound, overlap)
      .filter((face) => roundHalfEven(face.width) > 0 && roundHalfEven(face.height) > 0)
      .sort(largestFirst)
      .slice(0, most_faces)
  }

  private async probabilities(picture: Picture, boxes: Box[]): Promise<number[][]> {
    if (!boxes.length) return []
    const { margin } = this.rules.detect
    const faces = boxes.map((box) =>
      prepare(cut(picture, faceSquare(box, margin)), this.options.preprocessing),
    )
    const logits = await this.networks.classify(faces)
    return boxes.map((_, index) =>
      probabilitiesOf(logits.subarray(index * 7, index * 7 + 7), this.options.calibration),
    )
  }

  private smootherOf(track: number): Smoother {
    let smoother = this.smoothers.get(track)
    if (!smoother) this.smoothers.set(track, (smoother = new Smoother(this.rules.smooth)))
    return smoother
  }
}

export function wholeBox(face: Found): Box {
  return {
    left: roundHalfEven(face.x),
    top: roundHalfEven(face.y),
    width: roundHalfEven(face.width),
    height: roundHalfEven(face.height),
  }
}

function largestFirst(one: Found, other: Found): number {
  const [a, b] = [wholeBox(one), wholeBox(other)]
  return b.width * b.height - a.width * a.height || a.left - b.left || a.top - b.top
}

function blend(old: number, fresh: number): number {
  return old === 0 ? fresh : old + 0.2 * (fresh - old)
}
