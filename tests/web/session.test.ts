/** The session's files, and the engine's rhythm, without a browser. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Analysis, Face, Networks } from '../../web/src/engine/engine.ts'
import { Engine } from '../../web/src/engine/engine.ts'
import { Session, inOrder } from '../../web/src/engine/session.ts'
import { specification, withSmooth } from '../../web/src/engine/specification.ts'
import { CONTROLS } from '../../web/src/app/controls.ts'
import { analysisOf } from '../../web/src/app/remote.ts'

const flat = new Array<number>(7).fill(1 / 7)

function face(track: number, left: number, label: number): Face {
  const box = { left, top: 10, width: 40, height: 50 }
  return { track, box, score: 0.9, raw: flat, smoothed: flat, rawLabel: 3, label }
}

function analysis(time: number, faces: Face[], main: number | null): Analysis {
  return {
    time,
    width: 320,
    height: 240,
    faces,
    main,
    searched: true,
    detectMs: 5,
    classifyMs: 1,
    totalMs: 6.5,
  }
}

function session(name = 'clip.mp4'): Session {
  return new Session({
    source: { kind: 'video', name },
    model: { name: 'small fp32', path: 'network.onnx' },
    detector: { name: 'yunet' },
    versions: {},
    machine: {},
  })
}

function table(text: string): string[][] {
  return text
    .trim()
    .split('\n')
    .map((line) => line.split(','))
}

test('the main face comes first, the others from left to right', () => {
  const faces = [face(1, 200, 3), face(2, 90, 3), face(3, 10, -1)]
  assert.deepEqual(
    inOrder(analysis(0, faces, 2)).map(({ track }) => track),
    [2, 3, 1],
  )
})

test('a frame without a face is a row of its own, with the label and empty fields', () => {
  const made = session()
  made.manual = 3
  made.add(analysis(0, [], null), 0)
  made.add(analysis(0.1, [face(4, -5, -1), face(5, 90, 3)], 4), 2)
  const [head, ...rows] = table(made.files(specification(), null)['per_frame.csv'])
  const of = (row: string[], name: string) => row[head.indexOf(name)]
  assert.deepEqual(
    rows.map((row) => of(row, 'face')),
    ['0', '1', '2'],
  )
  assert.deepEqual(
    rows.map((row) => of(row, 'manual_label')),
    ['Happy', 'Happy', ''],
  )
  assert.deepEqual(
    rows.map((row) => of(row, 'pred_label')),
    ['', 'uncertain', 'Happy'],
  )
  assert.deepEqual(
    rows.map((row) => of(row, 'prob_Happy')),
    ['', '0.142857', '0.142857'],
  )
  assert.deepEqual(
    rows.map((row) => of(row, 'x')),
    ['', '-5', '90'],
  )
  assert.deepEqual(
    rows.map((row) => of(row, 'dropped')),
    ['0', '2', '2'],
  )
})

test('labels become events with their first and last frame', () => {
  const made = session()
  const labels = [-1, 3, 3, 4, -1, 4]
  labels.forEach((label, index) => {
    made.manual = label
    made.add(analysis(index / 10, [face(1, 0, 3)], 1), 0)
  })
  const rows = table(made.files(specification(), null)['events.csv']).slice(1)
  assert.deepEqual(
    rows.map((row) => row.slice(0, 3)),
    [
      ['Happy', '1', '2'],
      ['Sad', '3', '3'],
      ['Sad', '5', '5'],
    ],
  )
  const correct = table(made.files(specification(), null)['per_class_correctness.csv'])
  assert.deepEqual(
    correct.find(([name]) => name === 'Happy'),
    ['Happy', '2', '2', '2', '1.000000'],
  )
  assert.deepEqual(correct.at(-1), ['__overall__', '4', '4', '2', '0.500000'])
})

test('a file name that a spreadsheet would run is kept from it', () => {
  const text = session('=HYPERLINK("x").mp4').files(specification(), null)['demoresultssummary.csv']
  assert.match(text, /"\.\/=HYPERLINK\(""x""\)\.mp4"/)
})

test('rules stay in order when a slider is moved', () => {
  const { smooth } = withSmooth(specification(), 'leave', 0.7)
  assert.ok(smooth.enter >= smooth.leave)
  assert.equal(withSmooth(specification(), 'window', 5).smooth.minimum, 5)
  assert.equal(withSmooth(specification(), 'minimum', 20).smooth.window, 20)
})

test('both modes answer to the same keys', () => {
  const keys = (mode: 'time' | 'original') =>
    CONTROLS[mode].flatMap((control) => control.keys).sort()
  assert.deepEqual(keys('time'), ['-', '=', '[', ']', 'b', 'm', 'n', 'v'])
  assert.deepEqual(keys('original'), keys('time'))
})

test('where searching is slow only some frames are searched, and the boxes between stay', async () => {
  let now = 0
  const cell = (width: number) => (y: number, x: number) => y * (width / 8) + x
  const networks: Networks = {
    async detect({ width }) {
      now += 100
      const outputs: Record<string, Float32Array> = {}
      for (const stride of [8, 16, 32]) {
        const cells = (320 / stride) * (256 / stride)
        outputs[`cls_${stride}`] = new Float32Array(cells)
        outputs[`obj_${stride}`] = new Float32Array(cells)
        outputs[`bbox_${stride}`] = new Float32Array(cells * 4)
      }
      const place = cell(width)(10, 10)
      outputs.cls_8[place] = outputs.obj_8[place] = 1
      outputs.bbox_8.set([0, 0, Math.log(8), Math.log(8)], place * 4)
      return outputs
    },
    async classify(faces) {
      now += 1
      return new Float32Array(faces.length * 7)
    },
  }
  const engine = new Engine(networks, {
    preprocessing: { size: 32, crop: 1, clahe: false, clahe_clip: 2, clahe_tile: 8 },
    calibration: { temperature: 1 },
    specification: specification(),
    clock: () => now,
  })
  const picture = { width: 320, height: 240, data: new Uint8Array(320 * 240 * 3) }
  const searched: boolean[] = []
  let last = 0
  for (let index = 0; index < 9; index++) {
    const found = await engine.analyse(picture, index / 30)
    searched.push(found.searched)
    assert.deepEqual(
      found.faces.map(({ track, box }) => [track, box.left, box.width]),
      [[1, 48, 64]],
    )
  }
  // 100 ms of search in a budget of 33 ms less 1 ms for the answer: each fourth frame
  assert.deepEqual(searched, [true, false, false, false, true, false, false, false, true])
  // frames that come slowly are searched before the face would be forgotten, so it keeps its number
  for (let index = 1; index < 6; index++) {
    const found = await engine.analyse(picture, 1 + 0.3 * index)
    assert.deepEqual([found.searched, found.faces.length], [true, 1])
    if (index > 1) assert.equal(found.faces[0].track, last)
    last = found.faces[0].track
  }
})

test("a frame's event of `fer live` is shown like one of the page", () => {
  const found = analysisOf({
    frame: 12,
    time: 0.4,
    width: 640,
    height: 480,
    faces: [
      {
        id: 7,
        face: 1,
        box: [200, 120, 160, 190],
        raw: 'Happy',
        label: null,
        p: flat,
        p_smoothed: flat,
      },
      {
        id: 2,
        face: 2,
        box: [10, 20, 30, 40],
        raw: 'Sad',
        label: 'Sad',
        p: flat,
        p_smoothed: flat,
      },
    ],
    manual: 'Happy',
    recording: false,
    dropped: 0,
    ms: { detect: null, classify: 0.9, total: 10.4 },
  })
  assert.equal(found.main, 7)
  assert.equal(found.searched, false)
  assert.deepEqual(
    found.faces.map(({ rawLabel, label }) => [rawLabel, label]),
    [
      [3, -1],
      [4, 4],
    ],
  )
})
