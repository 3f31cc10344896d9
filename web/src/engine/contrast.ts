/** CLAHE on the lightness of an RGB picture, with the integers of OpenCV's LAB tables. */

import type { Picture } from './picture.ts'
import { clamp, roundHalfEven } from './picture.ts'

const LEVELS = 256
const LINEAR_MAX = 255 * 8 // linear light on the way to LAB
const CUBE_UNIT = 1 << 15 // 1.0 of the cube roots on the way to LAB
const UNIT = 1 << 14 // 1.0 of cube roots, X, Y and Z on the way to RGB
const INVERSE_LEVELS = 1 << 12
const CUBE_MIN = -8145
const TO_XYZ = [1777, 1541, 778, 871, 2929, 296, 73, 448, 3575]
const FROM_XYZ = [12615, -6296, -2223, -3773, 7684, 185, 217, -836, 4715]

const f = Math.fround

function table(length: number, of: (index: number) => number): Int32Array {
  return Int32Array.from({ length }, (_, index) => of(index))
}

function cubeRoot(level: number): number {
  const value = f(f(f(1) / f(LINEAR_MAX)) * f(level))
  if (value < f(216 / 24389))
    return roundHalfEven(CUBE_UNIT * f(value * f(841 / 108) + f(16 / 116)))
  const exact = Math.cbrt(value)
  let root = f(exact)
  if (root > exact) root = previousFloat(root)
  return roundHalfEven(CUBE_UNIT * root)
}

function previousFloat(value: number): number {
  const bits = new Int32Array(new Float32Array([value]).buffer)
  bits[0] -= 1
  return new Float32Array(bits.buffer)[0]
}

function linearOfSrgb(value: number): number {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
}

function srgbOfLinear(value: number): number {
  return value <= 0.0031308 ? value * 12.92 : 1.055 * value ** (1 / 2.4) - 0.055
}

function makeTables() {
  const cube = table(LINEAR_MAX + 1, cubeRoot)
  const lightnessCube = (index: number) => ((index * 100) / 255 + 16) / 116
  const y = table(LEVELS, (index) => {
    const lightness = (index * 100) / 255
    return roundHalfEven(
      UNIT * (lightness <= 8 ? (lightness * 27) / 29 ** 3 : lightnessCube(index) ** 3),
    )
  })
  const whole = Math.floor
  return {
    gamma: table(LEVELS, (index) => roundHalfEven(LINEAR_MAX * linearOfSrgb(index / 255))),
    cube,
    lightness: cube.map((root) => (296 * root - 1336934 + CUBE_UNIT / 2) >> 15),
    luma: y,
    cubeOfLightness: table(
      LEVELS,
      (index) => roundHalfEven(UNIT * lightnessCube(index)) - CUBE_MIN,
    ),
    aStep: table(LEVELS, (index) => ((5 * index * 53687 + 128) >> 13) - whole((128 * UNIT) / 500)),
    bStep: table(LEVELS, (index) => ((index * 41943 + 16) >> 9) - whole((128 * UNIT) / 200) + 1),
    linear: table((UNIT * 9) / 4, (index) => {
      const root = index + CUBE_MIN
      if (root > 3390) return whole((whole((root * root) / UNIT) * root) / UNIT)
      return Math.trunc((root * 108) / 841) - whole((whole((UNIT * 16) / 116) * 108) / 841)
    }),
    inverseGamma: table(INVERSE_LEVELS, (index) =>
      roundHalfEven(255 * srgbOfLinear(index / INVERSE_LEVELS)),
    ),
  }
}

let made: ReturnType<typeof makeTables> | undefined

/** Equalise the lightness; a and b of LAB stay. */
export function equalise(picture: Picture, clip: number, tiles: number): Picture {
  const tables = (made ??= makeTables())
  const { width, height, data } = picture
  const pixels = width * height
  const lightness = new Uint8Array(pixels)
  const a = new Uint8Array(pixels)
  const b = new Uint8Array(pixels)
  for (let i = 0, from = 0; i < pixels; i++, from += 3) {
    const red = tables.gamma[data[from]]
    const green = tables.gamma[data[from + 1]]
    const blue = tables.gamma[data[from + 2]]
    const xyz = (row: number) =>
      (TO_XYZ[row] * red + TO_XYZ[row + 1] * green + TO_XYZ[row + 2] * blue + (1 << 11)) >> 12
    const middle = 128 * CUBE_UNIT + CUBE_UNIT / 2
    const level = xyz(3)
    const x = tables.cube[xyz(0)]
    const y = tables.cube[level]
    const z = tables.cube[xyz(6)]
    lightness[i] = tables.lightness[level]
    a[i] = (500 * (x - y) + middle) >> 15
    b[i] = (200 * (y - z) + middle) >> 15
  }
  const equal = equalisePlane(lightness, width, height, clip, tiles)
  const result = new Uint8Array(data.length)
  for (let i = 0, to = 0; i < pixels; i++, to += 3) {
    const cube = tables.cubeOfLightness[equal[i]]
    const x = tables.linear[tables.aStep[a[i]] + cube]
    const y = tables.luma[equal[i]]
    const z = tables.linear[cube - tables.bStep[b[i]]]
    for (let channel = 0; channel < 3; channel++) {
      const row = channel * 3
      const level = FROM_XYZ[row] * x + FROM_XYZ[row + 1] * y + FROM_XYZ[row + 2] * z + (1 << 13)
      result[to + channel] = tables.inverseGamma[clamp(level >> 14, 0, INVERSE_LEVELS - 1)]
    }
  }
  return { width, height, data: result }
}

/** `cv2.createCLAHE(clip, (tiles, tiles)).apply` of one plane. */
export function equalisePlane(
  plane: Uint8Array,
  width: number,
  height: number,
  clip: number,
  tiles: number,
): Uint8Array {
  const padded = height % tiles !== 0 || width % tiles !== 0
  const grown = (side: number) => (padded ? side + tiles - (side % tiles) : side)
  const tileHeight = grown(height) / tiles
  const tileWidth = grown(width) / tiles
  const tables = new Float32Array(tiles * tiles * LEVELS)
  for (let row = 0; row < tiles; row++) {
    for (let column = 0; column < tiles; column++) {
      const counts = new Int32Array(LEVELS)
      for (let y = row * tileHeight; y < (row + 1) * tileHeight; y++) {
        for (let x = column * tileWidth; x < (column + 1) * tileWidth; x++) {
          counts[plane[mirrored(y, height) * width + mirrored(x, width)]]++
        }
      }
      lookUp(counts, tileHeight * tileWidth, clip, tables, (row * tiles + column) * LEVELS)
    }
  }
  const across = neighbours(width, tileWidth, tiles)
  const down = neighbours(height, tileHeight, tiles)
  const result = new Uint8Array(plane.length)
  for (let y = 0; y < height; y++) {
    const above = down.before[y] * tiles
    const below = down.after[y] * tiles
    const low = down.weight[y]
    for (let x = 0; x < width; x++) {
      const value = plane[y * width + x]
      const right = across.weight[x]
      const at = (row: number, column: number) => tables[(row + column) * LEVELS + value]
      const blend = (row: number) =>
        f(f(at(row, across.before[x]) * f(1 - right)) + f(at(row, across.after[x]) * right))
      result[y * width + x] = roundHalfEven(f(f(blend(above) * f(1 - low)) + f(blend(below) * low)))
    }
  }
  return result
}

function lookUp(
  counts: Int32Array,
  area: number,
  clip: number,
  tables: Float32Array,
  start: number,
): void {
  if (clip > 0) {
    const limit = Math.max(Math.trunc((clip * area) / LEVELS), 1)
    let clipped = 0
    for (let i = 0; i < LEVELS; i++) {
      if (counts[i] > limit) {
        clipped += counts[i] - limit
        counts[i] = limit
      }
    }
    const share = clipped >> 8
    let rest = clipped & (LEVELS - 1)
    for (let i = 0; i < LEVELS; i++) counts[i] += share
    if (rest) {
      const step = Math.max(Math.floor(LEVELS / rest), 1)
      for (let i = 0; i < LEVELS && rest > 0; i += step, rest--) counts[i]++
    }
  }
  const scale = f(f(LEVELS - 1) / f(area))
  let sum = 0
  for (let i = 0; i < LEVELS; i++) {
    sum += counts[i]
    tables[start + i] = roundHalfEven(f(f(sum) * scale))
  }
}

function neighbours(side: number, tileSide: number, tiles: number) {
  const before = new Int32Array(side)
  const after = new Int32Array(side)
  const weight = new Float32Array(side)
  for (let i = 0; i < side; i++) {
    const place = f(f(i * f(f(1) / f(tileSide))) - f(0.5))
    const low = Math.floor(place)
    weight[i] = place - low
    before[i] = Math.max(low, 0)
    after[i] = Math.min(low + 1, tiles - 1)
  }
  return { before, after, weight }
}

/** Which pixel a place beyond the edge shows: mirrored without repeating the edge. */
function mirrored(place: number, side: number): number {
  if (place < side) return place
  if (side === 1) return 0
  const period = 2 * (side - 1)
  const rest = place % period
  return Math.min(rest, period - rest)
}
