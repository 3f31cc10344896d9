/** Answers of an ONNX file in onnxruntime's WebAssembly build: node released.mjs FILE PIXELS SIDE.
 *
 * PIXELS holds uint8 faces [n, side, side, 3]; the probabilities [n, 7] are printed as JSON.
 */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(new URL('../../web/package.json', import.meta.url))
const ort = require('onnxruntime-web/wasm')
const [file, pixels, side] = process.argv.slice(2)
ort.env.wasm.wasmBinary = readFileSync(
  require.resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm'),
).buffer
ort.env.wasm.numThreads = 1
const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(file)), {
  executionProviders: ['wasm'],
})
const data = new Uint8Array(readFileSync(pixels))
const size = Number(side)
const faces = data.length / (size * size * 3)
const image = new ort.Tensor('uint8', data, [faces, size, size, 3])
const { probabilities } = await session.run({ image })
console.log(JSON.stringify(Array.from(probabilities.data)))
