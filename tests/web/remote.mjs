// The page in Chromium with `fer live` behind it: remote.mjs CHROMIUM ADDRESS

import { chromium } from '../../web/node_modules/playwright-core/index.mjs'

const [program, address] = process.argv.slice(2)
const browser = await chromium.launch({
  executablePath: program,
  args: ['--no-sandbox', '--disable-gpu'],
})
const seen = { requests: [], errors: [] }
const page = await browser.newPage()
page.on('request', (request) => seen.requests.push(request.url()))
page.on('pageerror', (error) => seen.errors.push(String(error)))
page.on('console', (message) => message.type() === 'error' && seen.errors.push(message.text()))
try {
  await page.goto(address.replace(/token=.*/, 'token=wrong'))
  await page.waitForSelector('#banner:not([hidden])')
  seen.refused = await page.textContent('#banner')
  await page.goto(address)
  await page.waitForFunction(
    () => document.querySelector('#bars b')?.textContent?.includes('%'),
    null,
    { timeout: 20_000 },
  )
  seen.private = await page.textContent('#private-text')
  seen.picture = await page.$eval('#picture', (canvas) => [canvas.width, canvas.height])
  await page.keyboard.press('4')
  await page.keyboard.press(']')
  await page.click('#record')
  await page.waitForTimeout(1500)
  seen.labelled = await page.getAttribute('#labels button:nth-child(4)', 'aria-pressed')
  await page.keyboard.press('q')
  await page.waitForSelector('#tiles dd', { timeout: 20_000 })
  seen.note = await page.textContent('#download-note')
} catch (error) {
  seen.failed = String(error)
} finally {
  await browser.close()
}
console.log(JSON.stringify(seen))
