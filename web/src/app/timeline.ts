/** Probabilities of the main face over the last half minute, and the labels shown and given. */

import { CLASSES } from '../engine/classes.ts'
import { colours } from './colours.ts'

interface Point {
  readonly time: number
  readonly smoothed: readonly number[] | null
  readonly label: number
  readonly manual: number
}

const SECONDS = 30
const STRIP = 9
const GAP = 5
const LEFT = 46
const REDRAW_MS = 80

export class Timeline {
  private readonly canvas: HTMLCanvasElement
  private points: Point[] = []
  private drawn = 0

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas
    new ResizeObserver(() => this.draw()).observe(canvas)
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () =>
      setTimeout(() => this.draw()),
    )
  }

  clear(): void {
    this.points = []
    this.draw()
  }

  add(point: Point): void {
    this.points.push(point)
    const first = this.points.findIndex((old) => old.time >= point.time - SECONDS - 1)
    if (first > 60) this.points.splice(0, first)
    if (performance.now() - this.drawn > REDRAW_MS) this.draw()
  }

  private draw(): void {
    this.drawn = performance.now()
    const { clientWidth: width, clientHeight: height } = this.canvas
    const ratio = window.devicePixelRatio || 1
    this.canvas.width = Math.round(width * ratio)
    this.canvas.height = Math.round(height * ratio)
    const context = this.canvas.getContext('2d')!
    context.scale(ratio, ratio)
    const style = colours()
    const bottom = height - 2 * (STRIP + GAP)
    const newest = this.points.at(-1)?.time ?? 0
    const x = (time: number) => width - ((newest - time) / SECONDS) * (width - LEFT)
    const y = (share: number) => 4 + (1 - share) * (bottom - 8)
    context.font = '11px system-ui, sans-serif'
    context.textBaseline = 'middle'
    context.strokeStyle = style.rule
    context.fillStyle = style.soft
    for (const share of [0, 0.5, 1]) {
      context.beginPath()
      context.moveTo(LEFT, y(share))
      context.lineTo(width, y(share))
      context.stroke()
      context.fillText(`${share * 100} %`, 0, y(share) + (share === 1 ? 3 : share === 0 ? -3 : 0))
    }
    context.fillText('shown', 0, bottom + GAP + STRIP / 2)
    context.fillText('you', 0, bottom + 2 * GAP + STRIP * 1.5)
    context.save()
    context.beginPath()
    context.rect(LEFT, 0, width - LEFT, height)
    context.clip()
    const shown = this.points.at(-1)?.label ?? -1
    CLASSES.map((_, index) => index)
      .sort((one, other) => Number(one === shown) - Number(other === shown))
      .forEach((index) => this.line(context, index, x, y, index === shown))
    this.strip(context, x, bottom + GAP, (point) => point.label)
    this.strip(context, x, bottom + 2 * GAP + STRIP, (point) => point.manual)
    context.restore()
  }

  private line(
    context: CanvasRenderingContext2D,
    index: number,
    x: (time: number) => number,
    y: (share: number) => number,
    strong: boolean,
  ): void {
    context.beginPath()
    let down = false
    for (const { time, smoothed } of this.points) {
      if (smoothed) context[down ? 'lineTo' : 'moveTo'](x(time), y(smoothed[index]))
      down = smoothed !== null
    }
    context.strokeStyle = colours().classes[index]
    context.globalAlpha = strong ? 1 : 0.55
    context.lineWidth = strong ? 2.5 : 1.25
    context.lineJoin = 'round'
    context.stroke()
    context.globalAlpha = 1
  }

  private strip(
    context: CanvasRenderingContext2D,
    x: (time: number) => number,
    top: number,
    of: (point: Point) => number,
  ): void {
    const style = colours()
    context.fillStyle = style.rule
    context.fillRect(LEFT, top, context.canvas.width, STRIP)
    this.points.forEach((point, place) => {
      const label = of(point)
      const next = this.points[place + 1]
      if (label < 0 || !next) return
      context.fillStyle = style.classes[label]
      const left = Math.floor(x(point.time))
      context.fillRect(left, top, Math.floor(x(next.time)) - left, STRIP)
    })
  }
}
