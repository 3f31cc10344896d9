/** The engine in a thread of its own: one frame at a time comes in, and goes back with its analysis. */

import type { Calibration } from './engine/calibration.ts'
import type { Analysis, Networks } from './engine/engine.ts'
import { Engine } from './engine/engine.ts'
import { fromCanvas } from './engine/picture.ts'
import type { Preprocessing } from './engine/preprocessing.ts'
import type { Files } from './engine/runtime.ts'
import { load, warmUp } from './engine/runtime.ts'
import type { Specification } from './engine/specification.ts'

export type ToWorker =
  | {
      kind: 'start'
      files: Files
      preprocessing: Preprocessing
      calibration: Calibration
      specification: Specification
      threads: number
    }
  | { kind: 'frame'; bitmap: ImageBitmap; time: number; still: boolean }
  | { kind: 'rules'; specification: Specification }
  | { kind: 'choose'; track: number }
  | { kind: 'reset' }

export type FromWorker =
  | { kind: 'progress'; share: number }
  | { kind: 'ready' }
  | { kind: 'analysis'; bitmap: ImageBitmap; analysis: Analysis }
  | { kind: 'failed'; message: string }

const STILL_SIDE = 1280 // in a picture small faces matter more than time

interface Place {
  postMessage(message: FromWorker, transfer?: Transferable[]): void
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null
}

const place = self as unknown as Place
const canvas = new OffscreenCanvas(1, 1)
const context = canvas.getContext('2d', { willReadFrequently: true })!
let networks: Networks
let engine: Engine
let start: Extract<ToWorker, { kind: 'start' }>
let rules: Specification

place.onmessage = ({ data }) => {
  void answer(data).catch((error: unknown) => {
    place.postMessage({
      kind: 'failed',
      message: error instanceof Error ? error.message : String(error),
    })
  })
}

async function answer(message: ToWorker): Promise<void> {
  switch (message.kind) {
    case 'start':
      return begin(message)
    case 'frame':
      return analyse(message)
    case 'rules':
      rules = message.specification
      return engine.follow(rules)
    case 'choose':
      return engine.choose(message.track)
    case 'reset':
      return engine.reset()
  }
}

async function begin(message: Extract<ToWorker, { kind: 'start' }>): Promise<void> {
  start = message
  rules = message.specification
  networks = await load(message.files, message.threads)
  engine = new Engine(networks, message)
  const { size } = message.preprocessing
  const { longest_side: side, budget_ms: budget } = rules.detect
  await warmUp(networks, size, side, budget, (share) =>
    place.postMessage({ kind: 'progress', share }),
  )
  place.postMessage({ kind: 'ready' })
}

async function analyse({
  bitmap,
  time,
  still,
}: Extract<ToWorker, { kind: 'frame' }>): Promise<void> {
  canvas.width = bitmap.width
  canvas.height = bitmap.height
  context.drawImage(bitmap, 0, 0)
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height)
  const picture = fromCanvas(data, bitmap.width, bitmap.height)
  const analysis = await (still ? ofStill() : engine).analyse(picture, time)
  place.postMessage({ kind: 'analysis', bitmap, analysis }, [bitmap])
}

/** A picture is looked at alone and in more detail. */
function ofStill(): Engine {
  const detect = { ...rules.detect, longest_side: Math.max(rules.detect.longest_side, STILL_SIDE) }
  return new Engine(networks, { ...start, specification: { ...rules, detect } })
}
