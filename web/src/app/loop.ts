/** Frames of a source to the engine: one at a time, and always the newest. */

import type { Client, Seen } from './client.ts'
import type { Source } from './sources.ts'

const MOST_PIXELS_A_SIDE = 1920

export interface Frame extends Seen {
  /** Milliseconds from the frame to its answer. */
  readonly latencyMs: number
  /** Frames that were passed over since the one before. */
  readonly dropped: number
}

export interface LoopEvents {
  frame(frame: Frame): void
  ended(): void
  failed(error: Error): void
}

export class Loop {
  private readonly source: Source
  private readonly client: Client
  private readonly events: LoopEvents
  private begun = performance.now()
  private stopped = false
  private halted = false
  private haltedAt = 0
  private busy = false
  private dropped = 0
  private lastTime = -1
  /** Time of a frame that came while the engine was busy and is still the newest. */
  private waiting: number | undefined

  constructor(source: Source, client: Client, events: LoopEvents) {
    this.source = source
    this.client = client
    this.events = events
    client.reset()
  }

  start(): void {
    const { video, picture, stream } = this.source
    if (picture) return void this.look()
    if (!video) return
    video.addEventListener('ended', () => !this.stopped && this.events.ended())
    stream?.getVideoTracks()[0].addEventListener('ended', () => {
      if (!this.stopped) this.events.failed(new Error('unplugged'))
    })
    this.await(video)
  }

  /** Stand still, and go on; a camera's clock stands still as well. */
  halt(halted: boolean): void {
    if (halted === this.halted) return
    this.halted = halted
    if (halted) {
      this.haltedAt = performance.now()
      this.source.video?.pause()
    } else {
      this.begun += performance.now() - this.haltedAt
      void this.source.video?.play()
    }
  }

  stop(): void {
    this.stopped = true
    this.source.close()
  }

  /** Analyse the frame that is shown once more, as after a change of rules. */
  again(): void {
    if (this.source.picture && !this.busy) void this.look()
  }

  private await(video: HTMLVideoElement): void {
    const next = (mediaTime: number) => {
      if (this.stopped) return
      if (!this.halted) {
        if (!this.busy) void this.look(mediaTime)
        else {
          if (this.waiting !== undefined) this.dropped++
          this.waiting = mediaTime
        }
      }
      this.await(video)
    }
    if ('requestVideoFrameCallback' in video) {
      video.requestVideoFrameCallback((_, facts) => next(facts.mediaTime))
    } else requestAnimationFrame(() => next((video as HTMLVideoElement).currentTime))
  }

  private async look(mediaTime = 0): Promise<void> {
    const { kind, video, picture } = this.source
    const time = kind === 'camera' ? (performance.now() - this.begun) / 1000 : mediaTime
    if (kind !== 'picture' && time <= this.lastTime) return
    this.busy = true
    this.lastTime = time
    const begin = performance.now()
    const dropped = this.dropped
    this.dropped = 0
    try {
      const bitmap = await grab((video ?? picture)!)
      const seen = await this.client.analyse(bitmap, time, kind === 'picture')
      if (!this.stopped)
        this.events.frame({ ...seen, latencyMs: performance.now() - begin, dropped })
      seen.bitmap.close()
    } catch (error) {
      if (!this.stopped)
        this.events.failed(error instanceof Error ? error : new Error(String(error)))
    } finally {
      this.busy = false
      const { waiting } = this
      this.waiting = undefined
      if (waiting !== undefined && !this.stopped && !this.halted) void this.look(waiting)
    }
  }
}

function grab(from: HTMLVideoElement | ImageBitmap): Promise<ImageBitmap> {
  const [width, height] =
    'videoWidth' in from ? [from.videoWidth, from.videoHeight] : [from.width, from.height]
  const factor = MOST_PIXELS_A_SIDE / Math.max(width, height)
  if (factor >= 1) return createImageBitmap(from)
  return createImageBitmap(from, {
    resizeWidth: Math.round(width * factor),
    resizeHeight: Math.round(height * factor),
    resizeQuality: 'medium',
  })
}
