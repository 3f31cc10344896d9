/** The vectors that the Python engine wrote: the page's engine must give the same. */

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

import { probabilitiesOf } from '../../web/src/engine/calibration.ts'
import { CLASSES } from '../../web/src/engine/classes.ts'
import { kept } from '../../web/src/engine/detector.ts'
import { Engine } from '../../web/src/engine/engine.ts'
import type { Networks } from '../../web/src/engine/engine.ts'
import type { Picture } from '../../web/src/engine/picture.ts'
import { cut, faceSquare, resize, roundHalfEven } from '../../web/src/engine/picture.ts'
import { prepare } from '../../web/src/engine/preprocessing.ts'
import { load } from '../../web/src/engine/runtime.ts'
import { score } from '../../web/src/engine/scoring.ts'
import { Smoother } from '../../web/src/engine/smoothing.ts'
import { specification } from '../../web/src/engine/specification.ts'
import { Tracker } from '../../web/src/engine/tracking.ts'

interface Encoded {
  width: number
  height: number
  rgb: string
}

const root = new URL('../..', import.meta.url)

function lines(file: URL): any[] {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

function golden(name: string): any[] {
  return lines(new URL(`tests/live/golden/${name}.jsonl`, root))
}

function picture({ width, height, rgb }: Encoded): Picture {
  return { width, height, data: new Uint8Array(Buffer.from(rgb, 'base64')) }
}

function near(found: ArrayLike<number>, expected: ArrayLike<number>, most: number, what: string) {
  assert.equal(found.length, expected.length, what)
  for (let i = 0; i < found.length; i++) {
    assert.ok(
      Math.abs(found[i] - expected[i]) <= most,
      `${what}: ${found[i]} at ${i}, not ${expected[i]}`,
    )
  }
}

/** Equal but for numbers that differ by at most 1e-6. */
function alike(found: any, expected: any, where: string): void {
  if (typeof expected === 'number') return near([found], [expected], 1e-6, where)
  if (expected === null || typeof expected !== 'object') return assert.equal(found, expected, where)
  assert.deepEqual(Object.keys(found), Object.keys(expected), where)
  for (const key of Object.keys(expected)) alike(found[key], expected[key], `${where}.${key}`)
}

for (const line of golden('pictures')) {
  test(`${line.kind}: ${line.name}`, () => {
    const image = picture(line.image)
    let found: Picture
    if (line.kind === 'prepare') found = prepare(image, line.preprocessing)
    else if (line.kind === 'crop') {
      const [left, top, width, height] = line.box
      found = cut(image, faceSquare({ left, top, width, height }, line.margin))
    } else {
      const factor = line.longest_side / Math.max(image.width, image.height)
      found = resize(
        image,
        roundHalfEven(image.width * factor),
        roundHalfEven(image.height * factor),
      )
    }
    const expected = picture(line.expected)
    assert.deepEqual([found.width, found.height], [expected.width, expected.height])
    near(found.data, expected.data, 1, line.name)
    const off = found.data.reduce((sum, value, i) => sum + (value === expected.data[i] ? 0 : 1), 0)
    assert.ok(off <= found.data.length / 1000, `${off} of ${found.data.length} grey levels differ`)
  })
}

for (const line of golden('calibration')) {
  test(`calibration: ${line.name}`, () => {
    near(probabilitiesOf(line.logits, line.network), line.probabilities, 1e-9, line.name)
  })
}

for (const line of golden('tracking')) {
  test(`tracking: ${line.name}`, () => {
    const tracker = new Tracker(line.rules)
    for (const frame of line.frames) {
      assert.deepEqual(tracker.update(frame.time, frame.boxes), frame.ids)
      assert.equal(tracker.main ?? null, frame.main)
    }
  })
}

for (const line of golden('smoothing')) {
  test(`smoothing: ${line.name}`, () => {
    const smoother = new Smoother(line.rules)
    for (const frame of line.frames) {
      near(smoother.update(frame.time, frame.p), frame.p_smoothed, 1e-6, `at ${frame.time}`)
      assert.equal(
        smoother.label < 0 ? null : CLASSES[smoother.label],
        frame.label,
        `at ${frame.time}`,
      )
    }
  })
}

for (const line of golden('scoring')) {
  test(`scoring: ${line.name}`, () => {
    const frames = line.frames.map(([time, manual, raw, smoothed, p_raw, p_smoothed]: any[]) => ({
      time,
      manual,
      raw,
      smoothed,
      p_raw,
      p_smoothed,
    }))
    const { intervals, ...found } = score(frames, line.rules)
    assert.equal(intervals, null)
    alike(found, line.score, 'score')
  })
}

// The graphs are made by pytest, which names their folder.
const models = process.env.FER_WEB_MODELS
const graphs = models && existsSync(models) ? new URL(`file://${models}/`) : undefined
const buffer = (url: URL) => new Uint8Array(readFileSync(url)).buffer

async function networks(): Promise<Networks> {
  const wasm = new URL('web/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm', root)
  return load({
    wasm: buffer(wasm),
    detector: buffer(new URL('detector.onnx', graphs)),
    network: buffer(new URL('network.onnx', graphs)),
  })
}

test('detection and answers of the network', { skip: !graphs && 'no graphs' }, async (context) => {
  const both = await networks()
  const facts = JSON.parse(readFileSync(new URL('facts.json', graphs), 'utf8'))
  await context.test('boxes', async () => {
    const [{ image }] = golden('detection')
    for (const line of golden('detection')) {
      const engine = new Engine(both, {
        preprocessing: facts.preprocessing,
        calibration: { temperature: 1 },
        specification: specification({ detect: { longest_side: line.longest_side } }),
      })
      const { faces } = await engine.analyse(picture(image), 0)
      assert.equal(faces.length, line.boxes.length)
      faces.forEach(({ box, score: confidence }, index) => {
        near([box.left, box.top, box.width, box.height], line.boxes[index], 1, `box ${index}`)
        near([confidence], [line.scores[index]], 1e-3, `score ${index}`)
      })
    }
  })
  await context.test('probabilities', async () => {
    for (const line of lines(new URL('answers.jsonl', graphs))) {
      const logits = await both.classify([prepare(picture(line.image), facts.preprocessing)])
      near(probabilitiesOf(logits, facts), line.probabilities, 1e-3, line.name)
    }
  })
})

test('of overlapping boxes the most confident one stays', () => {
  const box = (x: number, score: number) => ({ x, y: 0, width: 10, height: 10, score })
  const found = kept([box(0, 0.9), box(2, 0.8), box(30, 0.7)], 0.3)
  assert.deepEqual(
    found.map((face) => face.score),
    [0.9, 0.7],
  )
})
