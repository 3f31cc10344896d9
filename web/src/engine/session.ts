/** What a session leaves: the files and columns of `fer live`, made in memory. */

import { CLASSES, NONE, nameOf } from './classes.ts'
import type { Analysis, Face } from './engine.ts'
import type { Scored } from './scoring.ts'
import { score } from './scoring.ts'
import type { Specification } from './specification.ts'

/** What the files say of the source and the networks. */
export interface SessionFacts {
  readonly source: { readonly kind: string; readonly name: string }
  readonly model: Record<string, unknown> & { readonly name: string; readonly path: string }
  readonly detector: Record<string, unknown> & { readonly name: string }
  readonly versions: Record<string, string>
  readonly machine: Record<string, unknown>
}

interface Given {
  readonly label: number
  readonly frame: number
  readonly time: number
}

/** More frames are analysed but not kept: two hours at 30 frames/s. */
export const MOST_FRAMES = 216_000

const COLUMNS = [
  'frame_index',
  'time_sec',
  'manual_label',
  'pred_label',
  ...CLASSES.map((name) => `prob_${name}`),
  'detector',
  'model',
  'ckpt',
  'track_id',
  'face',
  'x',
  'y',
  'w',
  'h',
  'raw_label',
  'smoothed_label',
  ...CLASSES.map((name) => `p_smoothed_${name}`),
  'detect_ms',
  'classify_ms',
  'total_ms',
  'dropped',
]

/** Main face first, the others from left to right. */
export function inOrder(analysis: Analysis): Face[] {
  const main = analysis.faces.filter((face) => face.track === analysis.main)
  const others = analysis.faces.filter((face) => face.track !== analysis.main)
  const leftFirst = (one: Face, other: Face) =>
    one.box.left - other.box.left || one.box.top - other.box.top || one.track - other.track
  return [...main, ...others.sort(leftFirst)]
}

export class Session {
  readonly frames: Scored[] = []
  readonly started = new Date()
  manual = NONE
  dropped = 0
  detected = 0
  private readonly facts: SessionFacts
  private readonly rows: string[] = []
  private readonly events: { label: number; start: Given; end: Given }[] = []
  private begun: Given | undefined
  private last: Given = { label: NONE, frame: -1, time: 0 }
  private readonly tracks = new Set<number>()

  constructor(facts: SessionFacts) {
    this.facts = facts
  }

  get full(): boolean {
    return this.frames.length >= MOST_FRAMES
  }

  get seconds(): number {
    return this.frames.length > 1
      ? this.frames[this.frames.length - 1].time - this.frames[0].time
      : 0
  }

  get faces(): number {
    return this.tracks.size
  }

  /** Take in one analysed frame, with the label that a person gives now. */
  add(analysis: Analysis, dropped: number): void {
    this.dropped += dropped
    if (this.full) return
    const index = this.frames.length
    const { time } = analysis
    const faces = inOrder(analysis)
    const main = faces[0]?.track === analysis.main ? faces[0] : undefined
    this.note(index, time)
    if (faces.length) this.detected++
    for (const face of faces) this.tracks.add(face.track)
    this.frames.push({
      time,
      manual: this.manual,
      raw: main?.rawLabel ?? NONE,
      smoothed: main?.label ?? NONE,
      p_raw: main?.raw ?? null,
      p_smoothed: main?.smoothed ?? null,
    })
    const ends = [
      analysis.searched ? ms(analysis.detectMs) : '',
      ms(analysis.classifyMs),
      ms(analysis.totalMs),
      dropped,
    ]
    if (!main) this.rows.push(this.row(index, time, undefined, 0, ends))
    let others = 2
    for (const face of faces) {
      this.rows.push(this.row(index, time, face, face === main ? 1 : others++, ends))
    }
  }

  private row(
    index: number,
    time: number,
    face: Face | undefined,
    number: number,
    ends: (string | number)[],
  ): string {
    const blank = new Array<string>(CLASSES.length).fill('')
    const shown = face ? nameOf(face.label) || 'uncertain' : ''
    return csv([
      index,
      six(time),
      number <= 1 ? nameOf(this.manual) : '',
      shown,
      ...(face ? face.raw.map(six) : blank),
      this.facts.detector.name,
      this.facts.model.name,
      this.facts.model.path,
      face ? face.track : '',
      number,
      ...(face ? [face.box.left, face.box.top, face.box.width, face.box.height] : ['', '', '', '']),
      face ? nameOf(face.rawLabel) : '',
      shown,
      ...(face ? face.smoothed.map(six) : blank),
      ...ends,
    ])
  }

  /** Keep the begins and ends of the labels that a person gives. */
  private note(frame: number, time: number): void {
    const now = { label: this.manual, frame, time }
    if (this.begun && this.begun.label !== this.manual) this.close()
    if (!this.begun && this.manual >= 0) this.begun = now
    this.last = now
  }

  private close(): void {
    if (!this.begun) return
    this.events.push({ label: this.begun.label, start: this.begun, end: this.last })
    this.begun = undefined
  }

  score(rules: Specification) {
    return score(this.frames, rules.score)
  }

  /** Texts by file name. */
  files(rules: Specification, recorded: string | null): Record<string, string> {
    this.close()
    const { smooth } = rules
    const original = {
      ema_alpha: smooth.alpha,
      hysteresis_delta: smooth.delta,
      vote_window: smooth.window,
      vote_min_count: smooth.minimum,
    }
    const labelled = this.frames.some((frame) => frame.manual >= 0)
    return {
      'per_frame.csv': lines([COLUMNS.join(','), ...this.rows]),
      'events.csv': lines([
        'label,start_frame,end_frame,start_time_sec,end_time_sec,source',
        ...this.events.map(({ label, start, end }) =>
          csv([nameOf(label), start.frame, end.frame, six(start.time), six(end.time), 'manual']),
        ),
      ]),
      'demoresultssummary.csv': lines([
        [
          'time,input,detector,ckpt,model,frames_logged,events_logged',
          ...Object.keys(original),
        ].join(),
        csv([
          this.started.toISOString(),
          harmless(this.facts.source.name),
          this.facts.detector.name,
          this.facts.model.path,
          this.facts.model.name,
          this.frames.length,
          this.events.length,
          ...Object.values(original),
        ]),
      ]),
      'per_class_correctness.csv': lines(this.correctness()),
      'thresholds.json': json({ ...original, show_emo_ratio: false, specification: rules }),
      'session.json': json({
        schema: 1,
        started: this.started.toISOString(),
        ended: 'finished on the page',
        made_by: 'page',
        ...this.facts,
        frames: this.frames.length,
        // a browser's video does not hold exactly the frames that were analysed: not for `replay`
        recorded: recorded === null ? null : { file: recorded },
      }),
      ...(labelled
        ? { 'score_results.json': json({ per_frame: 'per_frame.csv', ...this.score(rules) }) }
        : {}),
    }
  }

  private correctness(): string[] {
    const of = (chosen: Scored[]) => {
      const answered = chosen.filter((frame) => frame.smoothed >= 0)
      const right = answered.filter((frame) => frame.smoothed === frame.manual).length
      const accuracy = chosen.length ? six(right / chosen.length) : ''
      return [chosen.length, answered.length, right, accuracy]
    }
    const labelled = this.frames.filter((frame) => frame.manual >= 0)
    return [
      'label,frames_with_manual,frames_with_manual_and_pred,correct_frames,accuracy',
      ...CLASSES.map((name, index) =>
        csv([name, ...of(labelled.filter((frame) => frame.manual === index))]),
      ),
      csv(['__overall__', ...of(labelled)]),
    ]
  }
}

function six(value: number): string {
  return value.toFixed(6)
}

function ms(value: number): string {
  return value.toFixed(3)
}

/** One line of a table. */
function csv(cells: (string | number)[]): string {
  return cells
    .map(String)
    .map((text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text))
    .join(',')
}

/** A name that no spreadsheet takes for a formula, and that still means the same file. */
function harmless(name: string): string {
  return /^[=+\-@\t\r\n]/.test(name) ? `./${name}` : name
}

function lines(texts: string[]): string {
  return texts.map((text) => `${text}\n`).join('')
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
