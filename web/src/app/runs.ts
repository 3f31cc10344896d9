/** A run: pictures are analysed until someone stops it, here in the page or by `fer live`. */

import { zipSync, strToU8 } from 'fflate'
import type { Zippable } from 'fflate'

import type { SessionFacts } from '../engine/session.ts'
import { Session } from '../engine/session.ts'
import type { Specification } from '../engine/specification.ts'
import type { Client } from './client.ts'
import type { Frame, LoopEvents } from './loop.ts'
import { Loop } from './loop.ts'
import { Recorder } from './recorder.ts'
import type { Source } from './sources.ts'
import type { Summary } from './summary.ts'

export interface Run {
  readonly kind: 'camera' | 'video' | 'picture'
  /** Whether the video can be kept. */
  readonly recordable: boolean
  halt(halted: boolean): void
  choose(track: number): void
  follow(rules: Specification): void
  label(label: number): void
  record(on: boolean): Promise<void>
  /** End it; what the summary shows comes back, or null where there is nothing to sum up. */
  finish(): Promise<Summary | null>
  /** The session as a file to download; null where it lies in a folder already. */
  zip(): Promise<{ name: string; data: Uint8Array } | null>
  /** Where the session's files are, if not here. */
  readonly folder: string | null
}

/** All in the page. */
export class OwnRun implements Run {
  readonly kind: Source['kind']
  readonly recordable: boolean
  readonly folder = null
  private readonly source: Source
  private readonly client: Client
  private readonly session: Session
  private readonly loop: Loop
  private rules: Specification
  private recorder: Recorder | undefined
  private video: { name: string; data: Uint8Array } | undefined

  constructor(
    source: Source,
    client: Client,
    facts: Omit<SessionFacts, 'source'>,
    rules: Specification,
    events: LoopEvents,
  ) {
    this.kind = source.kind
    this.recordable = source.kind === 'camera' && Recorder.possible(source.stream)
    this.source = source
    this.client = client
    this.rules = rules
    this.session = new Session({ ...facts, source: { kind: source.kind, name: source.name } })
    client.follow(rules)
    this.loop = new Loop(source, client, {
      ...events,
      frame: (frame: Frame) => {
        this.session.add(frame.analysis, frame.dropped)
        events.frame(frame)
      },
    })
    this.loop.start()
  }

  halt(halted: boolean): void {
    this.loop.halt(halted)
    this.recorder?.pause(halted)
  }

  choose(track: number): void {
    this.client.choose(track)
  }

  follow(rules: Specification): void {
    this.rules = rules
    this.client.follow(rules)
    this.loop.again()
  }

  label(label: number): void {
    this.session.manual = label
  }

  async record(on: boolean): Promise<void> {
    if (on && !this.recorder && Recorder.possible(this.source.stream)) {
      this.recorder = new Recorder(this.source.stream)
    } else if (!on) await this.endVideo()
  }

  async finish(): Promise<Summary | null> {
    await this.endVideo()
    this.loop.stop()
    const { session } = this
    if (this.kind === 'picture' || !session.frames.length) return null
    return {
      seconds: session.seconds,
      frames: session.frames.length,
      withFace: session.detected,
      faces: session.faces,
      rate: session.seconds ? (session.frames.length - 1) / session.seconds : 0,
      score: session.score(this.rules),
    }
  }

  async zip(): Promise<{ name: string; data: Uint8Array }> {
    const files: Zippable = {}
    for (const [name, text] of Object.entries(
      this.session.files(this.rules, this.video?.name ?? null),
    )) {
      files[name] = strToU8(text)
    }
    if (this.video)
      files[this.video.name] = [this.video.data as Uint8Array<ArrayBuffer>, { level: 0 }]
    const stamp = this.session.started
      .toISOString()
      .slice(0, 19)
      .replace(/[-:]/g, '')
      .replace('T', '-')
    return { name: `session-${stamp}.zip`, data: zipSync(files) }
  }

  private async endVideo(): Promise<void> {
    if (!this.recorder) return
    this.video = await this.recorder.finish()
    this.recorder = undefined
  }
}
