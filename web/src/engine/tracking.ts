/** Which faces of one frame and the next are one person: boxes that overlap, else boxes that are near.
 *
 * Numbers live in memory only and mean "the same face as before", not who it is.
 */

import type { Track } from './specification.ts'

/** Left, top, width and height in pixels. */
export type Rectangle = readonly [number, number, number, number]

interface Tracked {
  readonly number: number
  box: Rectangle
  seen: number
}

interface Pair {
  readonly cost: number
  readonly face: Tracked
  readonly index: number
}

const SLACK = 1e-9

/** Gives each face a number that it keeps. */
export class Tracker {
  rules: Track
  /** Number of the main face: the largest when there was none, for as long as its number lives. */
  main: number | undefined
  private faces: Tracked[] = []
  private next = 1

  constructor(rules: Track) {
    this.rules = rules
  }

  /** Numbers of the faces that were found lately. */
  get living(): number[] {
    return this.faces.map((face) => face.number)
  }

  /** The number of each box of a frame. */
  update(time: number, boxes: readonly Rectangle[]): number[] {
    this.faces = this.faces.filter((face) => time - face.seen <= this.rules.keep_s + SLACK)
    const numbers = new Map<number, number>()
    for (const pairs of [this.overlapping(boxes), this.near(boxes)]) {
      for (const { face, index } of greedy(pairs, numbers)) {
        face.box = boxes[index]
        face.seen = time
        numbers.set(index, face.number)
      }
    }
    boxes.forEach((box, index) => {
      if (numbers.has(index)) return
      this.faces.push({ number: this.next, box, seen: time })
      numbers.set(index, this.next++)
    })
    if (this.main === undefined || !this.living.includes(this.main)) {
      let largest: number | undefined
      boxes.forEach((box, index) => {
        if (largest === undefined || area(box) > area(boxes[largest])) largest = index
      })
      this.main = largest === undefined ? undefined : numbers.get(largest)
    }
    return boxes.map((_, index) => numbers.get(index)!)
  }

  private overlapping(boxes: readonly Rectangle[]): Pair[] {
    return this.pairs(boxes, (old, box) => {
      const shared = iou(old, box)
      return shared >= this.rules.iou ? -shared : undefined
    })
  }

  private near(boxes: readonly Rectangle[]): Pair[] {
    return this.pairs(boxes, (old, box) => {
      const one = Math.max(old[2], old[3])
      const other = Math.max(box[2], box[3])
      const longer = Math.max(one, other)
      const distance =
        Math.hypot(
          old[0] + old[2] / 2 - box[0] - box[2] / 2,
          old[1] + old[3] / 2 - box[1] - box[3] / 2,
        ) / longer
      const alike = Math.min(one, other) >= this.rules.size * longer
      return alike && distance <= this.rules.distance ? distance : undefined
    })
  }

  private pairs(
    boxes: readonly Rectangle[],
    costOf: (old: Rectangle, box: Rectangle) => number | undefined,
  ): Pair[] {
    return this.faces.flatMap((face) =>
      boxes.flatMap((box, index) => {
        const cost = costOf(face.box, box)
        return cost === undefined ? [] : [{ cost, face, index }]
      }),
    )
  }
}

/** The pairs of least cost, each face and box once; those taken before stay so. */
function greedy(pairs: Pair[], taken: ReadonlyMap<number, number>): Pair[] {
  const faces = new Set(taken.values())
  const boxes = new Set(taken.keys())
  const order = (one: Pair, other: Pair) =>
    one.cost - other.cost || one.face.number - other.face.number || one.index - other.index
  return pairs.sort(order).filter(({ face, index }) => {
    if (faces.has(face.number) || boxes.has(index)) return false
    faces.add(face.number)
    boxes.add(index)
    return true
  })
}

/** Intersection over union of two boxes; 0 where both are empty. */
export function iou(one: Rectangle, other: Rectangle): number {
  const width = Math.min(one[0] + one[2], other[0] + other[2]) - Math.max(one[0], other[0])
  const height = Math.min(one[1] + one[3], other[1] + other[3]) - Math.max(one[1], other[1])
  const shared = Math.max(width, 0) * Math.max(height, 0)
  const union = area(one) + area(other) - shared
  return union > 0 ? shared / union : 0
}

function area(box: Rectangle): number {
  return box[2] * box[3]
}
