// node scripts/screenshot.mjs: makes docs/images/page.png, the picture of a running purchase in the README.
import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { call, startMarket } from '../test/browser/market-fixture.ts'
import { launchChromium } from '../test/support/chromium.ts'
import { preparePage } from './page.mjs'
import { root } from './setup.mjs'

const FILE = join(root, 'docs', 'images', 'page.png')
const MAX_BYTES = 200_000

/** Enough for the chart to show some days. */
const FIRST_RECORDS = 150

const ends = []
const t = { after: (end) => ends.push(end), skip: (why) => process.stderr.write(`${why}\n`) }
try {
  preparePage()
  const browser = await launchChromium(t)
  if (browser !== undefined) await take(browser)
} finally {
  for (const end of ends.toReversed()) await end()
}

async function take(browser) {
  const { seller, buyer } = await startMarket(t)
  const source = `csv:${join(root, 'examples', 'data', 'seattle-weather-hourly-normals.csv')}`
  const document = { spatial: { point: [-122.31, 47.44], place: 'Seattle' }, license: { spdx: 'CC0-1.0' } }
  const product = { title: 'Seattle weather, hourly', keywords: ['weather'], price: '0.0001/record', source, document }
  const { listing } = await call(seller, 'POST', '/v1/products', { product })
  await call(buyer, 'POST', '/v1/listings/sync')
  const page = await browser.newPage({ viewport: { width: 1180, height: 860 } })
  await page.goto(buyer.page)
  await page.getByRole('heading', { name: 'Market' }).waitFor()
  await page.goto(`${buyer.api}/#/buy/${listing.id}`)
  await page.getByLabel('Budget').fill('0.5')
  await page.getByLabel('Risk').fill('0.002')
  await page.getByRole('button', { name: 'Start buying' }).click()
  await page.getByRole('combobox', { name: 'Chart of' }).selectOption('temperature')
  const newest = page.getByRole('table', { name: 'Newest records' }).locator('tbody td').first()
  while (Number(await newest.textContent()) < FIRST_RECORDS) await page.waitForTimeout(50)
  mkdirSync(join(root, 'docs', 'images'), { recursive: true })
  await page.screenshot({ path: FILE })
  const { size } = statSync(FILE)
  if (size > MAX_BYTES) throw new Error(`${FILE} has ${size} bytes, more than ${MAX_BYTES}`)
}
