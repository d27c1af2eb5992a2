import assert from 'node:assert/strict'
import { test } from 'node:test'
import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { launchChromium, watchPage } from '../support/chromium.ts'
import { call, startMarket } from './market-fixture.ts'

interface Finding {
  id: string
  impact: string | null
  nodes: Array<{ target: unknown; failureSummary?: string }>
}

const LOOKS = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1200, height: 900 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1200, height: 900 } },
  { name: 'phone', colorScheme: 'light', viewport: { width: 360, height: 740 } }
] as const

test('every view is usable by everybody: dark, light, on a phone', async (t) => {
  const browser = await launchChromium(t)
  if (browser === undefined) return
  const { seller, buyer } = await startMarket(t)
  const document = {
    spatial: { point: [11.58, 48.14], place: 'Munich' },
    variables: [{ path: '/load1', name: 'Load', ucum: '1' }],
    sample: [{ load1: 0.5 }, { load1: 0.75 }]
  }
  const product = { title: 'Machine room', keywords: ['load'], price: '0.0001/record', source: 'telemetry', document }
  const { listing } = await call<{ listing: { id: string } }>(seller, 'POST', '/v1/products', { product })
  await call(buyer, 'POST', '/v1/listings/sync')
  const options = { max: '0.01', records: '30' }
  const { purchase } = await call<{ purchase: string }>(buyer, 'POST', '/v1/purchases', {
    listing: listing.id,
    options
  })

  for (const { name, colorScheme, viewport } of LOOKS) {
    await t.test(name, async (inner) => {
      const page = await browser.newPage({ colorScheme, viewport })
      inner.after(() => page.close())
      const { faults } = await watchPage(page)
      const check = async (view: string): Promise<void> => {
        const found = await findings(page)
        assert.deepEqual(found, [], `${view}, ${name}`)
        const [wide, shown] = await page.evaluate<[number, number]>(
          '[document.documentElement.scrollWidth, document.documentElement.clientWidth]'
        )
        assert.ok(wide <= shown, `${view} is ${wide} px wide on a screen of ${shown}`)
      }
      await page.goto(buyer.api)
      await page.getByRole('heading', { name: 'This page needs its key' }).waitFor()
      await check('token')
      await page.goto(buyer.page)
      await page.getByRole('region', { name: 'Map' }).getByRole('link', { name: 'Machine room' }).waitFor()
      await check('market')
      for (const [view, seen] of [
        [`product/${listing.id}`, page.getByRole('table', { name: 'Sample' })],
        [`buy/${listing.id}`, page.getByRole('button', { name: 'Start buying' })],
        [`purchase/${purchase}`, page.getByRole('cell', { name: 'receipt', exact: true })],
        ['buy', page.getByRole('table', { name: 'Purchases' })],
        ['sell', page.getByText('You sell nothing yet')],
        ['money', page.getByRole('table', { name: 'Channels' })],
        ['network', page.getByRole('table', { name: /^Peers/ })],
        ['product/0xdead', page.getByRole('alert')]
      ] as const) {
        await page.goto(`${buyer.api}/#/${view}`)
        await seen.waitFor()
        const closed = page.locator('details:not([open]) > summary')
        while ((await closed.count()) > 0) await closed.first().click()
        await check(view)
      }
      await page.goto(seller.page)
      await page.getByRole('heading', { name: 'Market', level: 1 }).waitFor()
      await page.goto(`${seller.api}/#/sell`)
      await page.getByRole('table', { name: 'Your listings' }).waitFor()
      await check('sell, with a listing')
      assert.deepEqual(
        faults.filter((fault) => !fault.includes('status of 404')),
        []
      )
    })
  }
})

/** What axe finds that keeps people out. */
async function findings(page: Page): Promise<unknown[]> {
  await page.evaluate(axe.source)
  const violations = await page.evaluate<Finding[]>('axe.run(document).then(({ violations }) => violations)')
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => [id, ...nodes.map(({ target, failureSummary }) => [target, failureSummary])])
}
