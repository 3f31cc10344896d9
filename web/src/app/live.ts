/** The live view: one run at a time, with what people may meet while it goes on. */

import { NONE } from '../engine/classes.ts'
import type { Specification } from '../engine/specification.ts'
import { entering } from '../engine/specification.ts'
import { CONTROLS, Controls } from './controls.ts'
import { drawFrame, shownLeft } from './drawing.ts'
import { byId, clockTime, describe, make } from './elements.ts'
import { Labels } from './labels.ts'
import type { Frame } from './loop.ts'
import { Panel } from './panel.ts'
import type { RemoteEvents } from './remote.ts'
import type { Run } from './runs.ts'
import { Timeline } from './timeline.ts'

const NO_FACE_MS = 4000
const SMALL_FACE = 40 // pixels of the longer side, in the picture as it came
const SETTLE = 0.1 // weight of the newest value in the meters

interface Action {
  readonly text: string
  readonly act: () => void
}

export class Live {
  private readonly canvas = byId<HTMLCanvasElement>('picture')
  private readonly timeline = new Timeline(byId<HTMLCanvasElement>('timeline'))
  private readonly panel = new Panel((track) => this.run?.choose(track))
  private readonly labels = new Labels((label) => this.run?.label(label))
  private readonly controls: Controls
  private readonly finished: (run: Run) => void
  private readonly lost: (error: Error) => void
  private run: Run | undefined
  private paused = false
  private overlay = true
  private mirror = false
  private frame: Frame | undefined
  private faceSeen = 0
  private lastFrame = 0
  private recordingSince = 0
  private meters = {
    interval: 0,
    latency: 0,
    detect: 0,
    classify: 0,
    frames: 0,
    faces: 0,
    dropped: 0,
  }

  /**
   * @param finished is called when a run is to be ended and summed up.
   * @param lost is called when a source fails while it runs.
   */
  constructor(rules: Specification, finished: (run: Run) => void, lost: (error: Error) => void) {
    this.finished = finished
    this.lost = lost
    this.controls = new Controls(rules, (changed) => {
      this.panel.marks(entering(changed.smooth))
      this.run?.follow(changed)
    })
    this.panel.marks(entering(rules.smooth))
    byId('stop').addEventListener('click', () => this.stop())
    byId('pause').addEventListener('click', () => this.pause(!this.paused))
    byId('record').addEventListener('click', () => void this.record())
    byId('overlay').addEventListener('click', () => this.toggleOverlay())
    byId('mirror').addEventListener('click', () => this.setMirror(!this.mirror))
    this.canvas.addEventListener('click', (event) => this.pick(event))
    document.addEventListener('visibilitychange', () => this.hidden(document.hidden))
    document.addEventListener('keydown', (event) => this.key(event))
    setInterval(() => this.tick(), 500)
  }

  get rules(): Specification {
    return this.controls.rules
  }

  /** Show a run that has been started with `events`. */
  take(run: Run): void {
    this.run = run
    this.paused = false
    this.frame = undefined
    this.faceSeen = this.lastFrame = performance.now()
    this.meters = {
      interval: 0,
      latency: 0,
      detect: 0,
      classify: 0,
      frames: 0,
      faces: 0,
      dropped: 0,
    }
    this.timeline.clear()
    this.labels.show(NONE)
    this.setMirror(run.kind === 'camera')
    this.showRecording(false)
    this.notice(null)
    byId('pause').setAttribute('aria-pressed', 'false')
    const still = run.kind === 'picture'
    for (const id of ['pause', 'timeline']) byId(id).hidden = still
    byId('timeline').parentElement!.hidden = still
    byId('record').hidden = !run.recordable
    byId('mirror').hidden = run.kind !== 'camera'
  }

  /** What a run tells this view. */
  readonly events: RemoteEvents = {
    frame: (frame) => this.show(frame),
    ended: () => this.stop(),
    failed: (error) => this.fail(error),
    state: (manual, recording) => {
      if (manual !== this.labels.label) this.labels.show(manual)
      if (recording !== this.recordingSince > 0) this.showRecording(recording)
    },
  }

  private show(frame: Frame): void {
    const now = performance.now()
    const { analysis } = frame
    this.frame = frame
    drawFrame(this.canvas, frame, { overlay: this.overlay, mirror: this.mirror })
    this.panel.show(analysis)
    const main = analysis.faces.find((face) => face.track === analysis.main)
    if (analysis.faces.length) this.faceSeen = now
    this.timeline.add({
      time: analysis.time,
      smoothed: main?.smoothed ?? null,
      label: main?.label ?? NONE,
      manual: this.labels.label,
    })
    const settle = (old: number, fresh: number) => (old ? old + SETTLE * (fresh - old) : fresh)
    const { meters } = this
    if (meters.frames) meters.interval = settle(meters.interval, now - this.lastFrame)
    meters.latency = settle(meters.latency, frame.latencyMs)
    if (analysis.searched) meters.detect = settle(meters.detect, analysis.detectMs)
    meters.classify = settle(meters.classify, analysis.classifyMs)
    meters.frames++
    if (analysis.faces.length) meters.faces++
    meters.dropped += frame.dropped
    this.lastFrame = now
  }

  /** Twice a second: what changes slowly. */
  private tick(): void {
    if (!this.run) return
    const { meters } = this
    const rate = meters.interval ? 1000 / meters.interval : 0
    byId('meter-rate').textContent = rate && !this.paused ? rate.toFixed(0) : '–'
    byId('meter-latency').textContent = meters.latency ? `${meters.latency.toFixed(0)} ms` : '–'
    describe(byId('figures'), [
      [
        'picture',
        this.frame ? `${this.frame.analysis.width} × ${this.frame.analysis.height}` : '–',
      ],
      ['finding faces', `${meters.detect.toFixed(1)} ms`],
      ['answering', `${meters.classify.toFixed(1)} ms`],
      ['frames', String(meters.frames)],
      ['with a face', String(meters.faces)],
      ['passed over', String(meters.dropped)],
    ])
    if (this.recordingSince) {
      byId('recording').lastElementChild!.textContent = clockTime(
        (performance.now() - this.recordingSince) / 1000,
      )
    }
    this.hint()
  }

  private hint(): void {
    const element = byId('hint')
    const { frame } = this
    const main = frame?.analysis.faces.find((face) => face.track === frame.analysis.main)
    let text = ''
    if (!this.paused && frame) {
      const still = this.run?.kind === 'picture'
      const gone = performance.now() - this.faceSeen > NO_FACE_MS
      if (!frame.analysis.faces.length && (gone || still)) {
        text = still
          ? 'No face was found in this picture.'
          : 'No face is found. More light, a straight look, or a step closer helps.'
      } else if (main && Math.max(main.box.width, main.box.height) < SMALL_FACE) {
        text = 'The face is small: come closer for an answer to trust.'
      }
    }
    if (element.textContent !== text) element.textContent = text
    element.hidden = !text
  }

  private stop(): void {
    const { run } = this
    if (!run) return
    this.run = undefined
    this.finished(run)
  }

  /** Drop the run without a summary, as when another camera is chosen. */
  replace(): void {
    void this.run?.finish()
    this.run = undefined
  }

  private pause(paused: boolean): void {
    if (!this.run || this.run.kind === 'picture') return
    this.paused = paused
    this.run.halt(paused)
    byId('pause').setAttribute('aria-pressed', String(paused))
    byId('pause').textContent = paused ? 'Go on' : 'Pause'
    this.faceSeen = performance.now()
    if (paused)
      this.notice('Paused', 'Nothing is analysed.', [
        { text: 'Go on', act: () => this.pause(false) },
      ])
    else this.notice(null)
  }

  private wasHidden = false

  /** A hidden page is paused, and goes on when it is seen again. */
  private hidden(hidden: boolean): void {
    if (hidden && this.run && !this.paused) {
      this.wasHidden = true
      this.pause(true)
    } else if (!hidden && this.wasHidden) {
      this.wasHidden = false
      this.pause(false)
    }
  }

  private async record(): Promise<void> {
    const { run } = this
    if (!run) return
    const on = !this.recordingSince
    try {
      await run.record(on)
      this.showRecording(on)
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  private showRecording(on: boolean): void {
    this.recordingSince = on ? performance.now() : 0
    byId('recording').hidden = !on
    byId('record').setAttribute('aria-pressed', String(on))
  }

  private toggleOverlay(): void {
    this.overlay = !this.overlay
    byId('overlay').setAttribute('aria-pressed', String(this.overlay))
  }

  private setMirror(mirror: boolean): void {
    this.mirror = mirror
    byId('mirror').setAttribute('aria-pressed', String(mirror))
  }

  /** A click on a face makes it the main one. */
  private pick(event: MouseEvent): void {
    const { frame, canvas } = this
    if (!frame) return
    const area = canvas.getBoundingClientRect()
    // the picture may be letterboxed within its element
    const scale = Math.min(area.width / canvas.width, area.height / canvas.height)
    const x = (event.clientX - area.left - (area.width - canvas.width * scale) / 2) / scale
    const y = (event.clientY - area.top - (area.height - canvas.height * scale) / 2) / scale
    const hit = frame.analysis.faces.find((face) => {
      const left = shownLeft(face, canvas.width, this.mirror)
      return (
        x >= left &&
        x <= left + face.box.width &&
        y >= face.box.top &&
        y <= face.box.top + face.box.height
      )
    })
    if (hit) this.run?.choose(hit.track)
  }

  private key(event: KeyboardEvent): void {
    const target = event.target as HTMLElement
    const typing = target.matches('input:not([type=range]):not([type=radio]), select, textarea')
    if (!this.run || typing || event.ctrlKey || event.metaKey || event.altKey) return
    if (document.querySelector('dialog[open]')) return
    if (/^[1-7]$/.test(event.key)) this.labels.give(Number(event.key) - 1)
    else if (event.key === 'c') this.labels.give(NONE)
    else if (event.key === 'o') this.toggleOverlay()
    else if (event.key === 'q') this.stop()
    else if (!this.controls.press(event.key)) return
    event.preventDefault()
  }

  private fail(error: Error): void {
    if (error.message !== 'unplugged' && error.message !== 'lost') {
      this.notice('That did not work', error.message, [
        { text: 'Close', act: () => this.notice(null) },
      ])
      return
    }
    const lost = error.message === 'lost'
    this.notice(
      lost ? '`fer live` has gone' : 'The camera was disconnected',
      lost
        ? 'The program that analyses was ended. Its session is in its folder.'
        : 'What was seen until now is kept.',
      lost
        ? []
        : [
            { text: 'Finish', act: () => this.stop() },
            { text: 'Start again', act: () => this.lost(error) },
          ],
    )
  }

  /** Words over the picture; null takes them away. */
  notice(title: string | null, text = '', actions: Action[] = []): void {
    const element = byId('notice')
    element.hidden = title === null
    element.querySelector('h2')!.textContent = title ?? ''
    element.querySelector('p')!.textContent = text
    element.querySelector('.actions')!.replaceChildren(
      ...actions.map(({ text: label, act }, index) => {
        const button = make('button', label, {
          type: 'button',
          class: index ? 'secondary' : 'primary',
        })
        button.addEventListener('click', act)
        return button
      }),
    )
  }
}

/** Every key and what it does, for the list of keys. */
export function keyList(): [string, string][] {
  return [
    ['1 … 7', 'say what you see: Angry, Disgust, Fear, Happy, Sad, Surprise, Neutral'],
    ['c', 'no label'],
    ['o', 'boxes on or off'],
    ['q', 'finish'],
    ...CONTROLS.time.map(({ keys, text }, index): [string, string] => [
      keys.join(' '),
      `${text.toLowerCase()}, less and more; with frame votes: ${CONTROLS.original[index].text.toLowerCase()}`,
    ]),
  ]
}
