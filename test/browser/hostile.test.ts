import assert from 'node:assert/strict'
import { test } from 'node:test'
import { launchChromium, watchPage } from '../support/chromium.ts'
import { asRows, serveHostile, TEXTS_PER_PURCHASE } from './hostile-api.ts'
import { call, startMarket } from './market-fixture.ts'
import { nothingRan, STRANGERS_TEXTS, showsTexts } from './strangers-text.ts'

const GROUP = 200

test('a thousand hostile texts are text in every view', async (t) => {
  const browser = await launchChromium(t)
  if (browser === undefined) return
  assert.equal(new Set(STRANGERS_TEXTS.map(({ raw }) => raw)).size, 1000)
  const { url, token } = await serveHostile(t, STRANGERS_TEXTS)
  const page = await browser.newPage()
  const { faults } = await watchPage(page)
  // Sessions that are not known are part of this market.
  const serious = (): string[] => faults.filter((fault) => !fault.includes('status of 404'))
  const groups = Array.from({ length: STRANGERS_TEXTS.length / GROUP }, (_, index) => ({
    index,
    texts: STRANGERS_TEXTS.slice(index * GROUP, (index + 1) * GROUP)
  }))
  await page.goto(`${url}/#token=${token}`)

  for (const { index, texts } of groups) {
    await page.getByLabel('Search for data').fill(`${index}`)
    await page
      .getByRole('heading', { level: 2 })
      .first()
      .filter({ hasText: `${index * GROUP} ` })
      .waitFor()
    await showsTexts(page.getByRole('heading', { level: 2 }), texts)
    await nothingRan(page, serious())
  }
  for (const { index, texts } of groups) {
    await page.goto(`${url}/#/product/0x${index}`)
    const variables = page.getByRole('table', { name: 'Variables' })
    await variables
      .getByText(`${index * GROUP} `)
      .first()
      .waitFor()
    await showsTexts(variables.locator('tbody td:first-child'), texts)
    await showsTexts(page.getByRole('table', { name: 'Sample' }).locator('tbody td:nth-child(2)'), texts)
    for (const summary of await page.locator('summary').all()) await summary.click()
    await nothingRan(page, serious())
  }
  for (let first = 0; first + TEXTS_PER_PURCHASE <= STRANGERS_TEXTS.length; first += TEXTS_PER_PURCHASE) {
    await page.goto(`${url}/#/purchase/${first / TEXTS_PER_PURCHASE}`)
    const table = page.getByRole('table', { name: 'Newest records' })
    await table.getByText(`${first} `).first().waitFor()
    const texts = STRANGERS_TEXTS.slice(first, first + TEXTS_PER_PURCHASE)
    await showsTexts(table.locator('tbody td:not(:first-child)'), asRows(texts))
    await nothingRan(page, serious())
  }
  await page.goto(`${url}/#/buy`)
  await page.getByRole('table', { name: 'Purchases' }).waitFor()
  await showsTexts(page.locator('tbody td:first-child'), STRANGERS_TEXTS.toReversed())
  await nothingRan(page, serious())
  await page.goto(`${url}/#/network`)
  await page.getByRole('table', { name: /^Peers/ }).waitFor()
  await showsTexts(page.locator('tbody td:nth-child(2)'), STRANGERS_TEXTS)
  await nothingRan(page, serious())
  for (const view of [
    'sell',
    'money',
    'product/0',
    'buy/0x1',
    `product/${encodeURIComponent('<img src=x onerror=alert(1)>')}`
  ]) {
    await page.goto(`${url}/#/${view}`)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await nothingRan(
      page,
      serious().filter((fault) => !/status of [45]/.test(fault))
    )
  }
})

test('what the registry lets through, and records that say anything, are text on a real market', async (t) => {
  const browser = await launchChromium(t)
  if (browser === undefined) return
  const { network, seller, buyer } = await startMarket(t)
  const lines = STRANGERS_TEXTS.filter(({ raw }) => raw.isWellFormed()).map(({ raw }) => JSON.stringify({ text: raw }))
  const file = await network.file('hostile.jsonl', `${lines.join('\n')}\n`)
  const titles = STRANGERS_TEXTS.filter(({ raw, shown }) => raw === shown && raw.length <= 80 && !/[\n\t]/.test(raw))
  const chosen = titles.filter((_, index) => index % 25 === 0)
  for (const { raw } of chosen) {
    const document = { spatial: { place: raw }, license: { spdx: raw } }
    const product = {
      title: raw,
      description: raw,
      keywords: [raw.slice(0, 40)],
      price: '0',
      source: `jsonl:${file}`,
      document
    }
    await call(seller, 'POST', '/v1/products', { product })
  }
  await call(buyer, 'POST', '/v1/listings/sync')
  const page = await browser.newPage()
  const { faults } = await watchPage(page)
  await page.goto(buyer.page)
  const headings = page.getByRole('heading', { level: 2 })
  await headings.nth(chosen.length - 1).waitFor()
  assert.deepEqual((await headings.allTextContents()).toSorted(), chosen.map(({ shown }) => shown).toSorted())
  await nothingRan(page, faults)
  await headings.first().getByRole('link').click()
  await page.getByRole('main').getByRole('link', { name: 'Buy', exact: true }).click()
  await page.getByRole('button', { name: 'Start buying' }).click()
  await page.getByText(/^complete/).waitFor()
  await page.getByRole('table', { name: 'Newest records' }).waitFor()
  await nothingRan(page, faults)
})
