/** Where the page's files are: beside it, on the server that it came from. */

import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url'

import { Missing } from './missing.ts'

export const WASM = wasm

export function makeWorker(): Worker {
  return new Worker(new URL('../worker.ts', import.meta.url), { type: 'module' })
}

/** Read a file whole.
 *
 * @param tell is called with the bytes that have come, and with how many there are.
 */
export async function read(
  url: string,
  tell: (got: number, of: number) => void = () => {},
): Promise<ArrayBuffer> {
  if (location.protocol === 'file:') {
    throw new Missing(
      'Browsers do not let a page on disk read its network. Open expressions.html from the same folder, or serve the folder: python -m http.server -d data/web',
    )
  }
  const response = await fetch(url).catch((error: unknown) => {
    throw new Missing(`${url} cannot be reached: ${error instanceof Error ? error.message : error}`)
  })
  if (!response.ok) throw new Missing(`${url} is missing (status ${response.status}).`)
  const length = Number(response.headers.get('content-length')) || 0
  const reader = response.body!.getReader()
  const chunks: Uint8Array[] = []
  let got = 0
  tell(0, length)
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    chunks.push(value)
    got += value.length
    tell(got, Math.max(length, got))
  }
  const whole = new Uint8Array(got)
  chunks.reduce((place, chunk) => (whole.set(chunk, place), place + chunk.length), 0)
  return whole.buffer
}
