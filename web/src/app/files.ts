/** What the page runs: its facts, both graphs, and the runtime. */

import type { Files } from '../engine/runtime.ts'
import type { PageFacts } from '../page.ts'
import { Missing } from './missing.ts'
import { read, WASM } from './place.ts'

const FOLDER = 'model/'

/** Read everything.
 *
 * @param tell is called with the share that has come.
 */
export async function readAll(
  tell: (share: number) => void,
): Promise<{ facts: PageFacts; files: Files }> {
  const facts = JSON.parse(new TextDecoder().decode(await read(`${FOLDER}page.json`)))
  if (facts.schema !== 1) throw new Missing('model/page.json is of another version of this page.')
  const names = [WASM, FOLDER + facts.detector.file, FOLDER + facts.network.file]
  const come = new Map<string, [got: number, of: number]>()
  const [wasm, detector, network] = await Promise.all(
    names.map((name) =>
      read(name, (got, of) => {
        come.set(name, [got, of])
        const parts = [...come.values()]
        const sum = (place: 0 | 1) => parts.reduce((total, part) => total + part[place], 0)
        if (come.size === names.length && sum(1)) tell(Math.min(sum(0) / sum(1), 1))
      }),
    ),
  )
  return { facts, files: { wasm, detector, network } }
}
