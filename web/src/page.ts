/** What stage `web` says of the files beside the page: `model/page.json`. */

import type { Calibration } from './engine/calibration.ts'
import type { Preprocessing } from './engine/preprocessing.ts'
import type { PartOfSpecification } from './engine/specification.ts'

export interface PageFacts {
  readonly schema: 1
  readonly version: string
  readonly network: Calibration & {
    readonly file: string
    readonly sha256: string
    readonly bytes: number
    readonly name: string
    readonly arch: string
    readonly precision: string
    readonly labels: string[]
    readonly licence: string
    readonly preprocessing: Preprocessing
    readonly preprocessing_hash: string
    readonly source_model_sha256: string
    readonly rows_sha256: string
    /** Whether it learned from drawn faces only. */
    readonly drawn_faces_only: boolean
    readonly trained_on: string[]
  }
  readonly detector: {
    readonly file: string
    readonly bytes: number
    readonly name: string
    /** Of the published file that the graph was made from. */
    readonly sha256: string
  }
  readonly specification: PartOfSpecification
}
