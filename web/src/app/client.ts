/** The page's end of the engine's thread. */

import type { Analysis } from '../engine/engine.ts'
import type { Files } from '../engine/runtime.ts'
import type { Specification } from '../engine/specification.ts'
import type { PageFacts } from '../page.ts'
import type { FromWorker, ToWorker } from '../worker.ts'
import { makeWorker } from './place.ts'

export interface Seen {
  readonly bitmap: ImageBitmap
  readonly analysis: Analysis
}

export class Client {
  private readonly worker: Worker
  private waiting: { resolve: (seen: Seen) => void; reject: (error: Error) => void } | undefined

  private constructor(worker: Worker) {
    this.worker = worker
  }

  /** Start the thread, load the graphs and warm them up. */
  static start(
    facts: PageFacts,
    files: Files,
    specification: Specification,
    tell: (share: number) => void,
  ): Promise<Client> {
    const worker = makeWorker()
    const client = new Client(worker)
    return new Promise((resolve, reject) => {
      worker.onerror = (event) =>
        reject(new Error(event.message || 'The engine could not be started.'))
      worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
        if (data.kind === 'progress') tell(data.share)
        else if (data.kind === 'ready') resolve(client)
        else if (data.kind === 'analysis') client.answer(data)
        else {
          const error = new Error(data.message)
          reject(error)
          client.fail(error)
        }
      }
      const calibration = facts.network
      const { preprocessing } = facts.network
      client.send({ kind: 'start', files, preprocessing, calibration, specification, threads: 1 }, [
        files.wasm,
        files.detector,
        files.network,
      ])
    })
  }

  /** Analyse one frame; the next may be given when this one is back. */
  analyse(bitmap: ImageBitmap, time: number, still: boolean): Promise<Seen> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject }
      this.send({ kind: 'frame', bitmap, time, still }, [bitmap])
    })
  }

  follow(specification: Specification): void {
    this.send({ kind: 'rules', specification })
  }

  choose(track: number): void {
    this.send({ kind: 'choose', track })
  }

  reset(): void {
    this.send({ kind: 'reset' })
  }

  private answer(seen: Seen): void {
    this.waiting?.resolve(seen)
  }

  private fail(error: Error): void {
    this.waiting?.reject(error)
  }

  private send(message: ToWorker, transfer: Transferable[] = []): void {
    this.worker.postMessage(message, transfer)
  }
}
