/** `fer live` holds the camera, analyses, and keeps the session; the page shows and steers. */

import { CLASSES, NONE } from '../engine/classes.ts'
import type { Analysis, Face } from '../engine/engine.ts'
import type { Specification } from '../engine/specification.ts'
import type { Frame, LoopEvents } from './loop.ts'
import type { Run } from './runs.ts'
import type { Summary } from './summary.ts'

/** What `GET /session` answers. */
export interface RemoteSession {
  readonly mode: 'server'
  readonly source: { readonly kind: string; readonly name: string }
  readonly model: Record<string, unknown>
  readonly detector: Record<string, unknown>
  readonly specification: Specification
  readonly recording: boolean
  readonly folder: string | null
  readonly ended: boolean
  readonly manual: string | null
}

interface Event {
  readonly frame: number
  readonly time: number
  readonly width: number
  readonly height: number
  readonly faces: {
    readonly id: number
    readonly face: number
    readonly box: [number, number, number, number]
    readonly raw: string
    readonly label: string | null
    readonly p: number[]
    readonly p_smoothed: number[]
  }[]
  readonly manual: string | null
  readonly recording: boolean
  readonly dropped: number
  readonly ms: { readonly detect: number | null; readonly classify: number; readonly total: number }
}

export interface RemoteEvents extends LoopEvents {
  /** Label and recording as the server has them: another page may have changed them. */
  state(manual: number, recording: boolean): void
}

/** The session behind this page's address; null where the page stands alone. */
export async function remoteSession(): Promise<{ token: string; session: RemoteSession } | null> {
  const token = new URLSearchParams(location.search).get('token')
  if (!token) return null
  const session = await ask<RemoteSession>('session', token)
  return { token, session }
}

async function ask<Answer>(
  path: string,
  token: string,
  method: 'GET' | 'POST' = 'GET',
  body?: unknown,
): Promise<Answer> {
  const headers: Record<string, string> = { 'X-Fer-Token': token }
  const request: RequestInit = { method, headers }
  if (body !== undefined) {
    headers['Content-Type'] = 'application/json'
    request.body = JSON.stringify(body)
  }
  const response = await fetch(path, request)
  const answer = await response.json().catch(() => ({}))
  if (!response.ok) throw new Error(answer.error ?? `${path}: status ${response.status}`)
  return answer as Answer
}

export class RemoteRun implements Run {
  readonly kind: 'camera' | 'video'
  readonly recordable = true
  folder: string | null
  private readonly token: string
  private readonly events: RemoteEvents
  private readonly stream: EventSource
  private halted = false
  private busy = false
  private newest: Event | undefined
  private dropped = 0
  private seen = { frames: 0, withFace: 0, faces: new Set<number>(), first: 0, last: 0 }

  constructor(token: string, session: RemoteSession, events: RemoteEvents) {
    this.kind = session.source.kind === 'camera' ? 'camera' : 'video'
    this.token = token
    this.events = events
    this.folder = session.folder
    this.stream = new EventSource(`events?token=${encodeURIComponent(token)}`)
    this.stream.onmessage = ({ data }) => this.take(JSON.parse(data) as Event)
    this.stream.addEventListener('end', () => this.over())
    this.stream.addEventListener('error', (event) => {
      const data = (event as MessageEvent<string | undefined>).data
      if (data) events.failed(new Error(JSON.parse(data).error))
      else if (this.stream.readyState === EventSource.CLOSED) events.failed(new Error('lost'))
    })
  }

  /** Only the picture stands still: the camera is the server's. */
  halt(halted: boolean): void {
    this.halted = halted
  }

  choose(track: number): void {
    void this.post('label', { label: this.labelOf(this.lastManual), track })
  }

  follow({ smooth }: Specification): void {
    void this.post('settings', { smooth })
  }

  label(label: number): void {
    this.lastManual = label
    void this.post('label', { label: this.labelOf(label) })
  }

  async record(on: boolean): Promise<void> {
    await ask('record', this.token, 'POST', { on })
  }

  async finish(): Promise<Summary | null> {
    const score = await ask<Summary['score']>('score', this.token, 'POST').catch(() => null)
    const { folder } = await ask<{ folder: string | null }>('stop', this.token, 'POST')
    this.folder = folder
    this.stream.close()
    const { frames, withFace, faces, first, last } = this.seen
    if (!score || !frames) return null
    const seconds = last - first
    return {
      seconds,
      frames,
      withFace,
      faces: faces.size,
      rate: seconds ? frames / seconds : 0,
      score,
    }
  }

  zip(): Promise<null> {
    return Promise.resolve(null)
  }

  private lastManual = NONE

  private labelOf(label: number): string | null {
    return label < 0 ? null : CLASSES[label]
  }

  private post(path: string, body: unknown): Promise<unknown> {
    return ask(path, this.token, 'POST', body).catch((error: Error) => this.events.failed(error))
  }

  private over(): void {
    this.stream.close()
    this.events.ended()
  }

  private take(event: Event): void {
    this.seen.frames++
    if (event.faces.length) this.seen.withFace++
    for (const face of event.faces) this.seen.faces.add(face.id)
    if (this.seen.frames === 1) this.seen.first = event.time
    this.seen.last = event.time
    this.lastManual = event.manual ? CLASSES.indexOf(event.manual as never) : NONE
    this.events.state(this.lastManual, event.recording)
    this.dropped += event.dropped
    this.newest = event
    if (!this.busy && !this.halted) void this.show()
  }

  /** Fetch the picture of the newest frame; while it comes, newer ones wait. */
  private async show(): Promise<void> {
    this.busy = true
    try {
      while (this.newest && !this.halted) {
        const event = this.newest
        this.newest = undefined
        const begin = performance.now()
        const response = await fetch(`frame.jpg?n=${event.frame}`, {
          headers: { 'X-Fer-Token': this.token },
        })
        if (!response.ok) continue // it is no longer kept
        const bitmap = await createImageBitmap(await response.blob())
        const dropped = this.dropped
        this.dropped = 0
        const latencyMs = event.ms.total + performance.now() - begin
        const frame: Frame = { bitmap, analysis: analysisOf(event), latencyMs, dropped }
        this.events.frame(frame)
        bitmap.close()
      }
    } catch (error) {
      this.events.failed(error instanceof Error ? error : new Error(String(error)))
    } finally {
      this.busy = false
    }
  }
}

export function analysisOf(event: Event): Analysis {
  const classOf = (name: string | null) => (name === null ? NONE : CLASSES.indexOf(name as never))
  const faces = event.faces.map((face): Face => {
    const [left, top, width, height] = face.box
    return {
      track: face.id,
      box: { left, top, width, height },
      score: 1,
      raw: face.p,
      smoothed: face.p_smoothed,
      rawLabel: classOf(face.raw),
      label: classOf(face.label),
    }
  })
  return {
    time: event.time,
    width: event.width,
    height: event.height,
    faces,
    main: event.faces.find((face) => face.face === 1)?.id ?? null,
    searched: event.ms.detect !== null,
    detectMs: event.ms.detect ?? 0,
    classifyMs: event.ms.classify,
    totalMs: event.ms.total,
  }
}
