/** Fetching what the page needs from beside itself, with the share that has come. */

import wasmUrl from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url'

import type { Files } from '../engine/runtime.ts'
import type { PageFacts } from '../page.ts'

export class Missing extends Error {}

const FOLDER = 'model/'

/** The page's facts and files. */
export async function fetchAll(
  tell: (share: number) => void,
): Promise<{ facts: PageFacts; files: Files }> {
  const facts = JSON.parse(new TextDecoder().decode(await fetchWhole(`${FOLDER}page.json`)))
  if (facts.schema !== 1) throw new Missing('model/page.json is of another version of this page.')
  const urls = [wasmUrl, FOLDER + facts.detector.file, FOLDER + facts.network.file]
  const come = new Map<string, [number, number]>()
  const [wasm, detector, network] = await Promise.all(
    urls.map((url) =>
      fetchWhole(url, (got, of) => {
        come.set(url, [got, of])
        const parts = [...come.values()]
        const sum = (place: 0 | 1) => parts.reduce((total, part) => total + part[place], 0)
        if (come.size === urls.length && sum(1)) tell(Math.min(sum(0) / sum(1), 1))
      }),
    ),
  )
  return { facts, files: { wasm, detector, network } }
}

async function fetchWhole(
  url: string,
  tell: (got: number, of: number) => void = () => {},
): Promise<ArrayBuffer> {
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
