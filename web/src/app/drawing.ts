/** The analysed frame with boxes, labels and confidence. */

import { CLASSES } from '../engine/classes.ts'
import type { Face } from '../engine/engine.ts'
import type { Frame } from './loop.ts'
import { ON_PICTURES, UNSURE } from './colours.ts'
import { percent } from './elements.ts'

export interface DrawOptions {
  readonly overlay: boolean
  readonly mirror: boolean
}

/** Left edge of a face on the canvas. */
export function shownLeft(face: Face, width: number, mirror: boolean): number {
  return mirror ? width - face.box.left - face.box.width : face.box.left
}

export function drawFrame(canvas: HTMLCanvasElement, frame: Frame, options: DrawOptions): void {
  const { bitmap, analysis } = frame
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width
    canvas.height = bitmap.height
  }
  const context = canvas.getContext('2d')!
  context.save()
  if (options.mirror) {
    context.translate(bitmap.width, 0)
    context.scale(-1, 1)
  }
  context.drawImage(bitmap, 0, 0)
  context.restore()
  if (!options.overlay) return
  // sizes follow what the canvas's pixels are on the screen
  const unit = bitmap.width / Math.max(canvas.clientWidth || bitmap.width, 1)
  for (const face of analysis.faces)
    drawFace(context, face, unit, bitmap.width, options.mirror, face.track === analysis.main)
}

function drawFace(
  context: CanvasRenderingContext2D,
  face: Face,
  unit: number,
  width: number,
  mirror: boolean,
  main: boolean,
): void {
  const { box } = face
  const left = shownLeft(face, width, mirror)
  const colour = face.label < 0 ? UNSURE : ON_PICTURES[face.label]
  context.lineJoin = 'round'
  context.strokeStyle = 'rgb(0 0 0 / .35)'
  context.lineWidth = (main ? 5 : 3.5) * unit
  frame(context, left, box.top, box.width, box.height, 10 * unit)
  context.strokeStyle = colour
  context.lineWidth = (main ? 3 : 1.75) * unit
  frame(context, left, box.top, box.width, box.height, 10 * unit)
  const text =
    face.label < 0 ? 'uncertain' : `${CLASSES[face.label]}  ${percent(face.smoothed[face.label])}`
  const size = 15 * unit
  context.font = `600 ${size}px system-ui, sans-serif`
  const wide = context.measureText(text).width + 20 * unit
  const high = 26 * unit
  const x = Math.min(Math.max(left, 0), Math.max(width - wide, 0))
  const y = Math.max(box.top - high - 6 * unit, 4 * unit)
  context.fillStyle = colour
  context.beginPath()
  context.roundRect(x, y, wide, high, high / 2)
  context.fill()
  context.fillStyle = '#15181a'
  context.textBaseline = 'middle'
  context.fillText(text, x + 10 * unit, y + high / 2 + unit * 0.5)
}

function frame(
  context: CanvasRenderingContext2D,
  left: number,
  top: number,
  width: number,
  height: number,
  radius: number,
): void {
  context.beginPath()
  context.roundRect(left, top, width, height, radius)
  context.stroke()
}
