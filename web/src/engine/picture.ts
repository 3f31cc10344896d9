/** Pictures of 8 bits and how they are cut and resized, as the Python engine does it with OpenCV. */

/** RGB, three bytes a pixel, row by row. */
export interface Picture {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
}

/** A rectangle in whole pixels; it may reach beyond the picture. */
export interface Box {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

/** Drop the alpha channel of what a canvas gives. */
export function fromCanvas(rgba: Uint8ClampedArray, width: number, height: number): Picture {
  const data = new Uint8Array(width * height * 3)
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    data[to] = rgba[from]
    data[to + 1] = rgba[from + 1]
    data[to + 2] = rgba[from + 2]
  }
  return { width, height, data }
}

/** A part of a picture; beyond its edges the pixels of the edge repeat. */
export function cut(picture: Picture, box: Box): Picture {
  const { width, height, data } = picture
  const result = new Uint8Array(box.width * box.height * 3)
  let to = 0
  for (let y = box.top; y < box.top + box.height; y++) {
    const row = clamp(y, 0, height - 1) * width
    for (let x = box.left; x < box.left + box.width; x++) {
      const from = (row + clamp(x, 0, width - 1)) * 3
      result[to++] = data[from]
      result[to++] = data[from + 1]
      result[to++] = data[from + 2]
    }
  }
  return { width: box.width, height: box.height, data: result }
}

/** The square around a face, as `fer_core.predict.detection.crop_face` cuts it. */
export function faceSquare(box: Box, margin: number): Box {
  const side = Math.max(roundHalfEven(Math.max(box.width, box.height) * (1 + 2 * margin)), 1)
  return {
    left: box.left + Math.floor((box.width - side) / 2),
    top: box.top + Math.floor((box.height - side) / 2),
    width: side,
    height: side,
  }
}

/** Resize to another size: area averaging where both sides shrink, else bilinear. */
export function resize(picture: Picture, width: number, height: number): Picture {
  if (width === picture.width && height === picture.height) return picture
  const shrinks = width <= picture.width && height <= picture.height
  if (!shrinks) return bilinear(picture, width, height)
  if (picture.width === 2 * width && picture.height === 2 * height) return halved(picture)
  return averaged(picture, areaWeights(picture.width, width), areaWeights(picture.height, height))
}

/** Means of two by two pixels; OpenCV rounds a half up here, and to even elsewhere. */
function halved(picture: Picture): Picture {
  const { data } = picture
  const width = picture.width / 2
  const height = picture.height / 2
  const below = picture.width * 3
  const result = new Uint8Array(width * height * 3)
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0, from = 2 * y * below; x < width; x++, from += 3) {
      for (let channel = 0; channel < 3; channel++, to++, from++) {
        const sum = data[from] + data[from + 3] + data[from + below] + data[from + below + 3]
        result[to] = (sum + 2) >> 2
      }
    }
  }
  return { width, height, data: result }
}

/** For each place of the new side: the first old pixel it sees, and the weights from there on. */
interface Weights {
  readonly first: Int32Array
  readonly start: Int32Array
  readonly values: Float32Array
}

/** OpenCV's INTER_AREA: each old pixel counts by the share of it that the new pixel covers. */
function areaWeights(from: number, to: number): Weights {
  const scale = from / to
  const first = new Int32Array(to)
  const start = new Int32Array(to + 1)
  const values: number[] = []
  for (let index = 0; index < to; index++) {
    const low = index * scale
    const high = low + scale
    const cell = Math.min(scale, from - low)
    const end = Math.min(Math.floor(high), from - 1)
    const begin = Math.min(Math.ceil(low), end)
    first[index] = begin
    if (begin - low > 1e-3) {
      first[index] = begin - 1
      values.push((begin - low) / cell)
    }
    for (let place = begin; place < end; place++) values.push(1 / cell)
    if (high - end > 1e-3) values.push(Math.min(high - end, 1, cell) / cell)
    start[index + 1] = values.length
  }
  return { first, start, values: Float32Array.from(values) }
}

/** OpenCV's INTER_LINEAR: pixel centres are aligned, edges repeat, weights are whole 2048ths. */
function bilinear(picture: Picture, width: number, height: number): Picture {
  const { data } = picture
  const across = nearestTwo(picture.width, width)
  const down = nearestTwo(picture.height, height)
  const result = new Uint8Array(width * height * 3)
  for (let y = 0, to = 0; y < height; y++) {
    const above = down.low[y] * picture.width
    const below = down.high[y] * picture.width
    for (let x = 0; x < width; x++) {
      const left = across.low[x]
      const right = across.high[x]
      for (let channel = 0; channel < 3; channel++, to++) {
        const row = (start: number) =>
          data[(start + left) * 3 + channel] * across.near[x] +
          data[(start + right) * 3 + channel] * across.far[x]
        const upper = (down.near[y] * (row(above) >> 4)) >> 16
        const lower = (down.far[y] * (row(below) >> 4)) >> 16
        result[to] = (upper + lower + 2) >> 2
      }
    }
  }
  return { width, height, data: result }
}

function nearestTwo(from: number, to: number) {
  const unit = 2048
  const low = new Int32Array(to)
  const high = new Int32Array(to)
  const near = new Int32Array(to)
  const far = new Int32Array(to)
  for (let index = 0; index < to; index++) {
    const place = Math.fround((index + 0.5) * (from / to) - 0.5)
    let first = Math.floor(place)
    let rest = Math.fround(place - first)
    if (first < 0) first = rest = 0
    if (first >= from - 1) {
      first = from - 1
      rest = 0
    }
    low[index] = first
    high[index] = Math.min(first + 1, from - 1)
    near[index] = roundHalfEven(Math.fround(1 - rest) * unit)
    far[index] = roundHalfEven(rest * unit)
  }
  return { low, high, near, far }
}

function averaged(picture: Picture, across: Weights, down: Weights): Picture {
  const { width: oldWidth, data } = picture
  const width = across.first.length
  const height = down.first.length
  const result = new Uint8Array(width * height * 3)
  const rows = new Map<number, Float32Array>()
  const sums = new Float32Array(width * 3)
  for (let y = 0; y < height; y++) {
    sums.fill(0)
    for (const old of rows.keys()) if (old < down.first[y]) rows.delete(old)
    for (let k = down.start[y]; k < down.start[y + 1]; k++) {
      const place = down.first[y] + k - down.start[y]
      let row = rows.get(place)
      if (!row) rows.set(place, (row = squeezed(data, place * oldWidth, across)))
      const weight = down.values[k]
      for (let i = 0; i < sums.length; i++) sums[i] += row[i] * weight
    }
    const to = y * width * 3
    for (let i = 0; i < sums.length; i++) result[to + i] = roundHalfEven(sums[i])
  }
  return { width, height, data: result }
}

function squeezed(data: Uint8Array, start: number, across: Weights): Float32Array {
  const width = across.first.length
  const row = new Float32Array(width * 3)
  for (let x = 0; x < width; x++) {
    let red = 0
    let green = 0
    let blue = 0
    let from = (start + across.first[x]) * 3
    for (let k = across.start[x]; k < across.start[x + 1]; k++, from += 3) {
      const weight = across.values[k]
      red += data[from] * weight
      green += data[from + 1] * weight
      blue += data[from + 2] * weight
    }
    row[x * 3] = red
    row[x * 3 + 1] = green
    row[x * 3 + 2] = blue
  }
  return row
}

export function clamp(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value
}

/** Round as Python and OpenCV do: a half goes to the even neighbour. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest !== 0.5) return rest > 0.5 ? floor + 1 : floor
  return floor % 2 === 0 ? floor : floor + 1
}
