/** Both graphs in onnxruntime's WebAssembly build. */

import * as ort from 'onnxruntime-web/wasm'

import { CLASSES } from './classes.ts'
import { detectorInput, paddedSides } from './detector.ts'
import type { Networks } from './engine.ts'
import type { Picture } from './picture.ts'

export interface Files {
  readonly wasm: ArrayBuffer
  readonly detector: ArrayBuffer
  readonly network: ArrayBuffer
}

/** Load both graphs; the number of threads is one unless the page may share memory. */
export async function load(files: Files, threads = 1): Promise<Networks> {
  ort.env.wasm.wasmBinary = files.wasm
  ort.env.wasm.numThreads = threads
  ort.env.logLevel = 'error'
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: ['wasm'],
    graphOptimizationLevel: 'all',
  }
  const detector = await ort.InferenceSession.create(new Uint8Array(files.detector), options)
  const network = await ort.InferenceSession.create(new Uint8Array(files.network), options)
  let planes: Float32Array | undefined

  async function detect(picture: Picture): Promise<Record<string, Float32Array>> {
    const { width, height } = paddedSides(picture)
    if (picture.width !== width || picture.height !== height) planes?.fill(0)
    planes = detectorInput(picture, planes)
    const outputs = await detector.run({
      input: new ort.Tensor('float32', planes, [1, 3, height, width]),
    })
    return Object.fromEntries(
      Object.entries(outputs).map(([name, tensor]) => [name, tensor.data as Float32Array]),
    )
  }

  async function classify(faces: Picture[]): Promise<Float32Array> {
    const size = faces[0].width
    const pixels = new Uint8Array(faces.length * size * size * 3)
    faces.forEach((face, index) => pixels.set(face.data, index * size * size * 3))
    const image = new ort.Tensor('uint8', pixels, [faces.length, size, size, 3])
    const { logits } = await network.run({ image })
    const values = logits.data as Float32Array
    if (values.length !== faces.length * CLASSES.length) {
      throw new Error(`The network gave ${values.length} logits for ${faces.length} faces.`)
    }
    return values
  }

  return { detect, classify }
}

/** Run both graphs on blank pictures until three runs in a row fit into a frame's budget, or time is
 * up.
 *
 * A run takes many times longer until the browser's optimising compiler is through with the kernels.
 *
 * @param budget of a frame in milliseconds.
 * @param tell is called with the share that is done.
 */
export async function warmUp(
  networks: Networks,
  size: number,
  side: number,
  budget: number,
  tell: (share: number) => void,
  most = { runs: 30, ms: 900 },
): Promise<void> {
  const blank = (width: number, height: number): Picture => ({
    width,
    height,
    data: new Uint8Array(width * height * 3).fill(127),
  })
  const begin = performance.now()
  let quick = 0
  for (let run = 0; run < most.runs && quick < 3; run++) {
    const start = performance.now()
    await networks.detect(blank(side, Math.round(side * 0.75)))
    await networks.classify([blank(size, size)])
    const spent = performance.now() - begin
    quick = performance.now() - start < budget ? quick + 1 : 0
    tell(Math.min(Math.max((run + 1) / most.runs, spent / most.ms), 1))
    if (spent > most.ms) break
  }
}
