/** How a face becomes the network's input: `fer_core.pixels.preprocessing.Preprocessing`. */

import { equalise } from './contrast.ts'
import type { Picture } from './picture.ts'
import { cut, resize, roundHalfEven } from './picture.ts'

export interface Preprocessing {
  readonly size: number
  readonly crop: number
  readonly clahe: boolean
  readonly clahe_clip: number
  readonly clahe_tile: number
}

/** Centre square, resize, centre crop, CLAHE where it is on: RGB of size x size. */
export function prepare(image: Picture, how: Preprocessing): Picture {
  const side = Math.min(image.width, image.height)
  const square = cut(image, {
    left: Math.floor((image.width - side) / 2),
    top: Math.floor((image.height - side) / 2),
    width: side,
    height: side,
  })
  const resized = roundHalfEven(how.size / how.crop)
  const offset = Math.floor((resized - how.size) / 2)
  const middle = cut(resize(square, resized, resized), {
    left: offset,
    top: offset,
    width: how.size,
    height: how.size,
  })
  return how.clahe ? equalise(middle, how.clahe_clip, how.clahe_tile) : middle
}
