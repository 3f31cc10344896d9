/** What YuNet's graph says becomes boxes, as OpenCV's `FaceDetectorYN` makes them. */

import type { Picture } from './picture.ts'

export interface Found {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  readonly score: number
}

export interface DetectorOptions {
  /** Least confidence of a face. */
  readonly score: number
  /** Of two boxes that share more than this, the less confident one is dropped. */
  readonly overlap: number
}

/** Outputs of the graph by name: cls_8 and so on. */
export type Outputs = Readonly<Record<string, Float32Array>>

const STRIDES = [8, 16, 32]
const CANDIDATES = 5000

/** Sides of the graph's input for a picture: the next multiples of 32. */
export function paddedSides(picture: Picture): { width: number; height: number } {
  const up = (side: number) => (Math.floor((side - 1) / 32) + 1) * 32
  return { width: up(picture.width), height: up(picture.height) }
}

/** The graph's input: BGR planes from 0 to 255, zeros to the right and below. */
export function detectorInput(picture: Picture, reuse?: Float32Array): Float32Array {
  const { width, height } = paddedSides(picture)
  const plane = width * height
  const fits = reuse?.length === plane * 3
  const input = fits ? reuse : new Float32Array(plane * 3)
  for (let y = 0, from = 0; y < picture.height; y++) {
    for (let x = 0, to = y * width; x < picture.width; x++, to++, from += 3) {
      input[to] = picture.data[from + 2]
      input[plane + to] = picture.data[from + 1]
      input[plane * 2 + to] = picture.data[from]
    }
  }
  return input
}

/** Faces in pixels of the picture that the graph saw, most confident first. */
export function decode(outputs: Outputs, picture: Picture, options: DetectorOptions): Found[] {
  const { width, height } = paddedSides(picture)
  const faces: Found[] = []
  for (const stride of STRIDES) {
    const columns = width / stride
    const classes = outputs[`cls_${stride}`]
    const objects = outputs[`obj_${stride}`]
    const boxes = outputs[`bbox_${stride}`]
    for (let cell = 0; cell < columns * (height / stride); cell++) {
      const score = Math.fround(Math.sqrt(unit(classes[cell]) * unit(objects[cell])))
      if (score < options.score) continue
      const wide = Math.exp(boxes[cell * 4 + 2]) * stride
      const high = Math.exp(boxes[cell * 4 + 3]) * stride
      const x = ((cell % columns) + boxes[cell * 4]) * stride - wide / 2
      const y = (Math.floor(cell / columns) + boxes[cell * 4 + 1]) * stride - high / 2
      if ([x, y, wide, high].every(Number.isFinite)) {
        faces.push({ x, y, width: wide, height: high, score })
      }
    }
  }
  const whole = (face: Found): Found => ({
    x: Math.trunc(face.x),
    y: Math.trunc(face.y),
    width: Math.trunc(face.width),
    height: Math.trunc(face.height),
    score: face.score,
  })
  faces.sort((one, other) => other.score - one.score)
  return kept(faces.slice(0, CANDIDATES), options.overlap, whole)
}

/** Greedy suppression of boxes that overlap a better one. */
export function kept(faces: Found[], overlap: number, as = (face: Found): Found => face): Found[] {
  const result: Found[] = []
  for (const face of faces) {
    if (result.every((better) => shared(as(face), as(better)) <= overlap)) result.push(face)
  }
  return result
}

/** Intersection over union. */
export function shared(one: Found, other: Found): number {
  const wide = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x)
  const high = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y)
  if (wide <= 0 || high <= 0) return 0
  const both = wide * high
  return both / (one.width * one.height + other.width * other.height - both)
}

function unit(value: number): number {
  return Math.min(Math.max(value, 0), 1)
}
