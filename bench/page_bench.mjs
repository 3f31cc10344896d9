// The page, or another library, on a camera that plays a file: page_bench.mjs CHROMIUM ADDRESS CLIP SECONDS
// Prints JSON: seconds until it is ready, frames a second after a second of settling, and its own figures.

import { chromium } from '../web/node_modules/playwright-core/index.mjs'

const [program, address, clip, seconds] = process.argv.slice(2)
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
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
page.on('pageerror', (error) => console.error(String(error)))
page.on('console', (message) => message.type() === 'error' && console.error(message.text()))
const figures = () =>
  page.$eval('#figures', (list) =>
    Object.fromEntries(
      [...list.querySelectorAll('dt')].map((each) => [
        each.textContent,
        each.nextSibling.textContent,
      ]),
    ),
  )
try {
  const begin = performance.now()
  await page.goto(address)
  await page.waitForSelector('#use-camera:not([disabled])', { timeout: 40_000 })
  const ready = (performance.now() - begin) / 1000
  await page.click('#use-camera')
  await page.waitForFunction(
    () => Number(document.querySelector('#figures dd:nth-of-type(4)')?.textContent) > 0,
    null,
    { timeout: 60_000 },
  )
  await page.waitForTimeout(1500)
  const [from, first] = [performance.now(), Number((await figures()).frames)]
  await page.waitForTimeout(1000 * Number(seconds))
  const last = await figures()
  const share = (Number(last['with a face']) / Number(last.frames)).toFixed(2)
  const rate = (Number(last.frames) - first) / ((performance.now() - from) / 1000)
  console.log(
    JSON.stringify({
      ready,
      rate,
      share,
      latency: await page.textContent('#meter-latency'),
      ...last,
    }),
  )
} finally {
  await browser.close()
}
