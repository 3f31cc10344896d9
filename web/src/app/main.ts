/** The page: gets ready, opens a source, shows it live, and sums it up. */

import type { PageFacts } from '../page.ts'
import { specification } from '../engine/specification.ts'
import type { SessionFacts } from '../engine/session.ts'
import type { Client } from './client.ts'
import { Client as Engine } from './client.ts'
import { byId, describe, make, percent } from './elements.ts'
import { readAll } from './files.ts'
import { keyList, Live } from './live.ts'
import { Missing } from './missing.ts'
import { remoteSession, RemoteRun } from './remote.ts'
import type { Run } from './runs.ts'
import { OwnRun } from './runs.ts'
import { cameras, openCamera, openFile, SourceError } from './sources.ts'
import type { Source } from './sources.ts'
import { showSummary } from './summary.ts'

type View = 'start' | 'live' | 'summary'

let client: Client | undefined
let facts: PageFacts | undefined
let live: Live | undefined
let ended: Run | undefined
let opening = 0

function view(name: View): void {
  document.body.dataset.view = name
  for (const each of ['start', 'live', 'summary'] as const) byId(each).hidden = each !== name
  byId(name === 'summary' ? 'summary-title' : 'main').focus()
  window.scrollTo(0, 0)
}

function banner(text: string | null): void {
  byId('banner').hidden = text === null
  byId('banner').textContent = text ?? ''
}

function loading(share: number, text: string): void {
  byId<HTMLProgressElement>('load-bar').value = share
  byId('load-text').textContent = text
}

/** Fetch, load and warm up; buttons work from then on. */
async function getReady(): Promise<void> {
  if (typeof WebAssembly === 'undefined') {
    throw new Missing('WebAssembly is switched off in this browser, and the network needs it.')
  }
  const begin = performance.now()
  const found = await readAll((share) => loading(share * 0.5, `Loading ${percent(share)}`))
  facts = found.facts
  live = new Live(specification(facts.specification), finish, () => void useCamera())
  loading(0.5, 'Starting the network')
  client = await Engine.start(facts, found.files, live.rules, (share) =>
    loading(0.5 + share / 2, 'Warming up'),
  )
  const seconds = ((performance.now() - begin) / 1000).toFixed(1)
  byId('loading').classList.add('ready')
  loading(1, `Ready in ${seconds} s`)
  byId('loading').dataset.seconds = seconds
  byId<HTMLButtonElement>('use-camera').disabled = false
  byId<HTMLButtonElement>('use-file').disabled = false
  byId('drawn').hidden = byId('caution').hidden = !facts.network.drawn_faces_only
  showFacts(facts)
}

function showFacts({ network, detector, version }: PageFacts): void {
  describe(byId('facts'), [
    ['network', `${network.name}, ${network.arch}, ${network.precision}`],
    [
      'size',
      `${(network.bytes / 1e6).toFixed(1)} MB; detector ${(detector.bytes / 1e6).toFixed(1)} MB`,
    ],
    ['trained on', network.trained_on.join(', ')],
    ['licence of the weights', network.licence],
    network.by_class
      ? ['calibration', 'a scale and a bias of each class']
      : ['temperature', String(network.temperature)],
    [
      'input',
      `${network.preprocessing.size} × ${network.preprocessing.size}${network.preprocessing.clahe ? ', CLAHE' : ''}`,
    ],
    ['SHA-256', network.sha256],
    ['page', version],
  ])
}

/** Open a source and show it; what goes wrong is said in its place. */
async function open(make: () => Promise<Source>, again: () => void): Promise<void> {
  if (!client || !facts || !live) return
  const turn = ++opening
  view('live')
  live.notice('One moment', 'Waiting for the picture. If the browser asks, allow the camera.')
  try {
    const source = await make()
    if (turn !== opening) return source.close()
    const session = sessionFacts(facts)
    live.take(new OwnRun(source, client, session, live.rules, live.events))
    void listCameras(source)
  } catch (error) {
    const known =
      error instanceof SourceError ? error : new SourceError('That did not work', String(error))
    const back = { text: 'Back', act: () => view('start') }
    live.notice(
      known.title,
      known.message,
      known.retry ? [{ text: 'Try again', act: again }, back] : [back],
    )
  }
}

/** What `session.json` says of networks and machine, with the keys of `fer live`. */
function sessionFacts({ network, detector, version }: PageFacts): Omit<SessionFacts, 'source'> {
  const { file, name, labels, ...known } = network
  return {
    model: {
      ...known,
      name: `${network.arch} ${network.precision}`,
      student: name,
      path: file,
      classes: labels,
    },
    detector: { name: 'yunet', sha256: detector.sha256 },
    versions: { 'fer-dag': version },
    machine: { system: navigator.userAgent, cores: navigator.hardwareConcurrency },
  }
}

function useCamera(device?: string): Promise<void> {
  return open(
    () => openCamera(device),
    () => void useCamera(device),
  )
}

function useFile(file: File | undefined): void {
  if (file)
    void open(
      () => openFile(file),
      () => useFile(file),
    )
}

async function listCameras(source: Source): Promise<void> {
  const found = source.kind === 'camera' ? await cameras() : []
  const select = byId<HTMLSelectElement>('camera')
  byId('camera-choice').hidden = found.length < 2
  select.replaceChildren(
    ...found.map((device) => {
      const option = make('option', device.label, { value: device.deviceId })
      option.selected = device.label === source.name
      return option
    }),
  )
}

async function finish(run: Run): Promise<void> {
  try {
    const summary = await run.finish()
    if (!summary) return view(run.folder ? 'summary' : 'start')
    ended = run
    showSummary(summary)
    byId('take').hidden = run.folder !== null
    if (run.folder) byId('download-note').textContent = `Its files are in ${run.folder}.`
    view('summary')
  } catch (error) {
    banner(error instanceof Error ? error.message : String(error))
    view('start')
  }
}

async function download(): Promise<void> {
  const file = await ended?.zip()
  if (!file) return
  const url = URL.createObjectURL(
    new Blob([file.data as Uint8Array<ArrayBuffer>], { type: 'application/zip' }),
  )
  make('a', '', { href: url, download: file.name }).click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

function wireDialogs(): void {
  const show = (id: string) => byId<HTMLDialogElement>(id).showModal()
  for (const id of ['open-about', 'more-about'])
    byId(id).addEventListener('click', () => show('about'))
  byId('open-keys').addEventListener('click', () => show('keys'))
  const list = byId('key-list')
  for (const [keys, text] of keyList()) {
    const term = make('dt')
    term.append(make('kbd', keys))
    list.append(term, make('dd', text))
  }
}

function wireFiles(): void {
  const input = byId<HTMLInputElement>('file')
  byId('use-file').addEventListener('click', () => input.click())
  input.addEventListener('change', () => {
    useFile(input.files?.[0])
    input.value = ''
  })
  const over = (on: boolean) => (event: DragEvent) => {
    event.preventDefault()
    document.body.classList.toggle('dropping', on && client !== undefined)
  }
  window.addEventListener('dragover', over(true))
  window.addEventListener('dragleave', over(false))
  window.addEventListener('drop', (event) => {
    over(false)(event)
    useFile(event.dataTransfer?.files[0])
  })
}

async function begin(): Promise<void> {
  wireDialogs()
  wireFiles()
  byId('use-camera').addEventListener('click', () => void useCamera())
  byId('camera').addEventListener('change', (event) => {
    const device = (event.target as HTMLSelectElement).value
    live?.replace()
    void useCamera(device)
  })
  byId('download').addEventListener('click', () => void download())
  byId('again').addEventListener('click', () => {
    ended = undefined
    view('start')
  })
  const remote = await remoteSession()
  if (!remote) return getReady()
  const { token, session } = remote
  live = new Live(specification(session.specification), finish, () => location.reload())
  byId('private-text').textContent = 'Stays on this computer'
  byId('caution').hidden = !String(session.model.licence).includes('synthetic sample')
  describe(
    byId('facts'),
    Object.entries(session.model).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  )
  view('live')
  live.take(new RemoteRun(token, session, live.events))
}

begin().catch((error: unknown) => {
  byId('loading').hidden = true
  const text = error instanceof Error ? error.message : String(error)
  banner(error instanceof Missing ? text : `The page could not get ready. ${text}`)
})
