// The page in Chromium with a camera that plays a file: browser.mjs CHROMIUM ADDRESS FILE CLIP PICTURE FOLDER
// Prints what it saw as JSON; the session that it downloads goes to FOLDER.

import { chromium } from '../../web/node_modules/playwright-core/index.mjs'

const [program, address, single, clip, picture, folder] = process.argv.slice(2)
const browser = await chromium.launch({
  executablePath: program,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--use-fake-ui-for-media-stream',
    '--use-fake-device-for-media-stream',
    `--use-file-for-fake-video-capture=${clip}`,
  ],
})
const seen = { requests: [], errors: [] }
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
context.on('request', (request) => seen.requests.push(request.url()))
context.on('weberror', (error) => seen.errors.push(String(error.error())))
const page = await context.newPage()
page.on('console', (message) => message.type() === 'error' && seen.errors.push(message.text()))
const text = (selector) => page.textContent(selector)

try {
  await page.goto(address)
  await page.waitForSelector('#use-camera:not([disabled])', { timeout: 40_000 })
  seen.ready = Number(await page.getAttribute('#loading', 'data-seconds'))
  seen.drawn = await page.isVisible('#drawn')

  // all by keyboard: the first button of the start screen is the camera
  await page.focus('#use-camera')
  await page.keyboard.press('Enter')
  await page.waitForFunction(
    () => document.querySelector('#bars b')?.textContent?.includes('%'),
    null,
    { timeout: 20_000 },
  )
  await page.keyboard.press('4')
  await page.waitForTimeout(1500)
  await page.keyboard.press('5')
  await page.waitForTimeout(1200)
  seen.answer = await text('#answer b')
  seen.shares = await page.$$eval('#bars b', (all) => all.map((each) => each.textContent))
  seen.rate = Number(await text('#meter-rate'))
  seen.picture = await page.$eval('#picture', (canvas) => [canvas.width, canvas.height])
  seen.painted = await page.$eval('#picture', (canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    return new Set(data).size
  })
  await page.keyboard.press(']')
  await page.click('#settings summary')
  seen.tau = await text('.slider output')
  seen.unnamed = await page.$$eval('button, input, select, summary, canvas', (all) =>
    all
      .filter((each) => !(each.textContent?.trim() || each.ariaLabel || each.labels?.length))
      .map((each) => each.outerHTML),
  )

  // on a phone nothing is cut off, upright or turned; in the dark the ground is dark
  const wider = async (width, height) => {
    await page.setViewportSize({ width, height })
    return page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  }
  seen.beyond = [await wider(390, 844), await wider(844, 390), await wider(1280, 900)]
  const ground = async (colorScheme) => {
    await page.emulateMedia({ colorScheme })
    return page.evaluate(() =>
      Math.max(...getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number)),
    )
  }
  seen.grounds = [await ground('dark'), await ground('light')]

  // a hidden page pauses, and goes on when it is seen
  const hide = (hidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { value, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    }, hidden)
  await hide(true)
  seen.hidden = await text('#notice h2')
  await hide(false)
  seen.again = await page.isHidden('#notice')

  await page.keyboard.press('q')
  await page.waitForSelector('#tiles dd')
  seen.tiles = await page.$$eval('#tiles div', (all) => all.map((each) => each.textContent))
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download')])
  await download.saveAs(`${folder}/session.zip`)

  // nothing may be sent, even by a script on this page
  seen.violation = await page.evaluate(async () => {
    const told = new Promise((resolve) =>
      document.addEventListener('securitypolicyviolation', (event) =>
        resolve(event.effectiveDirective),
      ),
    )
    await fetch('https://example.org/').catch(() => {})
    return told
  })
  seen.stored = await page.evaluate(async () => [
    document.cookie,
    Object.keys(localStorage).length,
    Object.keys(sessionStorage).length,
    (await indexedDB.databases()).length,
  ])

  // what people meet who have no camera, or do not allow it
  await page.click('#again')
  seen.refusals = []
  for (const name of ['NotAllowedError', 'NotFoundError', 'NotReadableError']) {
    await page.evaluate((error) => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', error))
    }, name)
    await page.click('#use-camera')
    await page.waitForSelector('#notice .secondary')
    seen.refusals.push(await text('#notice h2'))
    await page.click('#notice .secondary')
  }
  await page.setInputFiles('#file', {
    name: 'broken.mp4',
    mimeType: 'video/mp4',
    buffer: Buffer.from('no video'),
  })
  await page.waitForSelector('#notice .primary')
  seen.broken = await text('#notice h2')

  // the same page as one file, from disk, with a picture
  const alone = await context.newPage()
  await alone.goto(`file://${single}`)
  await alone.waitForSelector('#use-file:not([disabled])', { timeout: 40_000 })
  await alone.setInputFiles('#file', picture)
  await alone.waitForFunction(
    () => document.querySelector('#bars b')?.textContent?.includes('%'),
    null,
    { timeout: 20_000 },
  )
  seen.alone = await alone.textContent('#answer b')
  await alone.close()

  // where the detector is missing, or is another file
  seen.detector = []
  for (const answer of [{ status: 404 }, { body: 'no graph' }]) {
    await page.route('**/detector.onnx', (route) => route.fulfill(answer))
    await page.reload()
    await page.waitForSelector('#banner:not([hidden])', { timeout: 40_000 })
    seen.detector.push(await text('#banner'))
    await page.unroute('**/detector.onnx')
  }

  // where WebAssembly is switched off
  await context.addInitScript(() => delete window.WebAssembly)
  await page.reload()
  await page.waitForSelector('#banner:not([hidden])')
  seen.blocked = await text('#banner')
} catch (error) {
  seen.failed = String(error)
} finally {
  await browser.close()
}
console.log(JSON.stringify(seen))
