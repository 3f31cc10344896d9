/** Where the page's files are when it is one file: inside it. */

import EngineWorker from '../worker.ts?worker&inline'

import { Missing } from './missing.ts'

export const WASM = 'runtime.wasm'

export function makeWorker(): Worker {
  return new EngineWorker()
}

export async function read(
  name: string,
  tell: (got: number, of: number) => void = () => {},
): Promise<ArrayBuffer> {
  const element = document.getElementById(`file:${name}`)
  if (!element) throw new Missing(`${name} is missing in this file.`)
  let stream = fromBase64(element.textContent).stream()
  if (element.dataset.packed === 'gzip')
    stream = stream.pipeThrough(new DecompressionStream('gzip'))
  const whole = await new Response(stream).arrayBuffer()
  element.remove()
  tell(whole.byteLength, whole.byteLength)
  return whole
}

function fromBase64(text: string): Blob {
  return new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))])
}
