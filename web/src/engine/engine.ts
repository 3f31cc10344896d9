/** One frame in, tracked faces with calibrated and smoothed probabilities out. */

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
  readonly temperature: number
  readonly specification: Specification
  readonly clock?: () => number
}

const MOST_OF_IMAGE = 1.5

export class Engine {
  private readonly networks: Networks
  private readonly options: EngineOptions
  private readonly clock: () => number
  private rules: Specification
  private tracker: Tracker
  private smoothers = new Map<number, Smoother>()
  private boxes: Found[] = []
  private sinceSearch = Infinity
  private cost = { detect: 0, rest: 0 }

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
    this.boxes = []
    this.sinceSearch = Infinity
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
    const searched = ++this.sinceSearch >= this.interval()
    if (searched) {
      this.boxes = await this.search(picture)
      this.sinceSearch = 0
    }
    const detected = this.clock()
    const boxes = this.boxes.map(wholeBox)
    const tracks = this.tracker.update(
      time,
      boxes.map((box) => [box.left, box.top, box.width, box.height]),
    )
    const probabilities = await this.probabilities(picture, boxes)
    const classified = this.clock()
    const faces = boxes.map((box, index): Face => {
      const smoother = this.smootherOf(tracks[index])
      const smoothed = smoother.update(time, probabilities[index])
      return {
        track: tracks[index],
        box,
        score: this.boxes[index].score,
        raw: probabilities[index],
        smoothed,
        rawLabel: greatest(probabilities[index]),
        label: smoother.label,
      }
    })
    const living = new Set(this.tracker.living)
    for (const track of this.smoothers.keys()) if (!living.has(track)) this.smoothers.delete(track)
    const end = this.clock()
    if (searched) this.cost.detect = blend(this.cost.detect, detected - begin)
    this.cost.rest = blend(this.cost.rest, end - detected)
    const main = this.tracker.main
    return {
      time,
      width: picture.width,
      height: picture.height,
      faces,
      main: main !== undefined && tracks.includes(main) ? main : null,
      searched,
      detectMs: detected - begin,
      classifyMs: classified - detected,
      totalMs: end - begin,
    }
  }

  /** Of how many frames one is searched: as few as the time budget of a frame asks for. */
  private interval(): number {
    const { every, budget_ms: budget } = this.rules.detect
    if (every > 0) return every
    const left = budget - this.cost.rest
    if (left <= 0) return 8
    return Math.min(Math.max(Math.ceil(this.cost.detect / left), 1), 8)
  }

  private async search(picture: Picture): Promise<Found[]> {
    const { longest_side, overlap, most_faces } = this.rules.detect
    const factor = Math.min(longest_side / Math.max(picture.width, picture.height), 1)
    const side = (length: number) => Math.max(roundHalfEven(length * factor), 1)
    const level =
      factor < 1 ? resize(picture, side(picture.width), side(picture.height)) : picture
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
      softmax(logits.subarray(index * 7, index * 7 + 7), this.options.temperature),
    )
  }

  private smootherOf(track: number): Smoother {
    let smoother = this.smoothers.get(track)
    if (!smoother) this.smoothers.set(track, (smoother = new Smoother(this.rules.smooth)))
    return smoother
  }
}

/** softmax(logits / T). */
export function softmax(logits: ArrayLike<number>, temperature: number): number[] {
  const scaled = Array.from(logits, (value) => value / temperature)
  const most = Math.max(...scaled)
  const powers = scaled.map((value) => Math.exp(value - most))
  const sum = powers.reduce((total, value) => total + value, 0)
  return powers.map((value) => value / sum)
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
  return old === 0 ? fresh : 0.9 * old + 0.1 * fresh
}

