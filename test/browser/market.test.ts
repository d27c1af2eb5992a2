import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { launchChromium } from '../support/chromium.ts'
import { deposits } from './market-deposits.ts'
import { call, EXPLORER, type Market, startMarket } from './market-fixture.ts'
import { openPage, POLL_MS, place } from './market-page.ts'

test('a market in the browser', async (t) => {
  const browser = await launchChromium(t)
  if (browser === undefined) return
  const market = await startMarket(t)
  await t.test('publish by form, find on the map, buy, watch, stop, go on', (inner) => sale(inner, browser, market))
  await t.test('a purchase with the keyboard alone', (inner) => keyboard(inner, browser, market))
  await t.test('listings at one place are listed from the map', (inner) => together(inner, browser, market))
  await t.test('caps and the kill switch hold', (inner) => money(inner, browser, market))
  await t.test('pause, go on, retire', (inner) => statuses(inner, browser, market))
  await t.test('receipts are saved, what was earned is claimed, deposits come back', (inner) =>
    deposits(inner, browser, market)
  )
  await t.test('without the right token nothing is shown, and it says what to do', (inner) =>
    tokens(inner, browser, market)
  )
})

interface Statement {
  kind: string
  cid: string
  content?: { prepay?: string }
}

interface Bought {
  purchase: string
  status: { id: string }
  outcome?: { records: string; paid: string; session: string }
}

async function sale(t: TestContext, browser: Browser, { seller, buyer, network }: Market): Promise<void> {
  const title = 'Machine room'
  const sells = await openPage(t, browser, seller)
  assert.doesNotMatch(sells.page.url(), /token/, 'the token left the address bar')
  await place(sells.page, 'Sell').click()
  await sells.page.getByText('You sell nothing yet').waitFor()
  const form = sells.page.getByRole('form', { name: 'Sell something new' })
  await form.getByLabel('Source').fill('telemetry')
  await form.getByLabel('Title').fill(title)
  await form.getByLabel('Description').fill('Load of the machine that runs this test.')
  await form.getByLabel('Keywords').fill('load, memory')
  await form.getByText('Which records, on credit, and who may buy').click()
  await form.getByLabel('Fields').fill('time, cpuPercent')
  await form.getByLabel('Never sell to').fill('Bob')
  await form.getByRole('button', { name: 'Publish' }).click()
  await form.getByText('Write the price in digits').waitFor()
  assert.match(await sells.page.evaluate<string>(FOCUSED), /^Price/, 'the first wrong field has the focus')
  assert.equal(await form.locator('[aria-invalid="true"]').count(), 2)
  await form.getByLabel('Price').fill('0.0001')
  await form.getByLabel('Never sell to').fill(`0x${'b'.repeat(40)}`)
  assert.equal(await form.locator('[aria-invalid="true"]').count(), 0)
  await form.getByText('Place, time, licence and everything else').click()
  const where = form.getByRole('group', { name: 'Where' })
  await where.getByLabel('Longitude').fill('-70.65')
  const json = form.getByLabel('Json schema')
  await json.fill('{"type": "object"')
  await form.getByRole('button', { name: 'Publish' }).click()
  await form.getByText('Fill this in, too, or leave all empty.').waitFor()
  await form.getByText('This is not JSON yet: finish it, or leave it empty.').waitFor()
  assert.deepEqual(await form.locator('[aria-invalid="true"]').count(), 2)
  await json.fill('{"type": "object"}')
  await where.getByLabel('Latitude').fill('-33.45')
  await where.getByLabel('Place').fill('Santiago')
  await form.getByLabel('SPDX identifier').fill('CC0-1.0')
  await form.getByRole('button', { name: 'Publish' }).click()
  await sells.page.getByText('Published:').waitFor()
  await sells.page.getByRole('cell', { name: title, exact: true }).waitFor()

  const buys = await openPage(t, browser, buyer)
  const { page } = buys
  await page.getByLabel('Search for data').fill('machine')
  const mark = page.getByRole('region', { name: 'Map' }).getByRole('link', { name: title })
  await mark.waitFor()
  await page.getByRole('combobox', { name: 'Keyword' }).selectOption({ label: 'memory (1)' })
  await page.getByText('1 listing', { exact: true }).waitFor()
  await mark.click()
  await page.getByRole('heading', { name: title, level: 1 }).waitFor()
  await page.getByText('0.0001 tUSD per record').waitFor()
  await page.getByText('Santiago').first().waitFor()
  await page.getByText('This seller gives no records away.').waitFor()
  await page.getByRole('main').getByRole('link', { name: 'Buy' }).click()
  await page.getByLabel('Quantity').fill('')
  await page.getByLabel('Budget').fill('0.5')
  await page.getByLabel('Risk').fill('0.01')
  await page.getByRole('button', { name: 'Start buying' }).click()
  await moves(page)

  await page.getByRole('button', { name: 'Pause or stop' }).click()
  await page.getByText('complete', { exact: true }).waitFor()
  const first = page.url()
  const [bought] = await call<Bought[]>(buyer, 'GET', '/v1/purchases')
  const { outcome, purchase } = bought ?? {}
  assert.ok(outcome !== undefined && purchase !== undefined)
  const log = page.getByRole('table', { name: 'Orders, invoices, payments and receipts' })
  const statements = await call<Statement[]>(buyer, 'GET', `/v1/sessions/${outcome.session}/statements`)
  const receipt = statements.find(({ kind }) => kind === 'receipt')
  await log.getByRole('button', { name: `Copy receipt CID ${receipt?.cid}` }).waitFor()
  const line = log.getByRole('row').filter({ has: page.getByRole('cell', { name: 'receipt', exact: true }) })
  assert.match((await line.textContent()) ?? '', new RegExp(`${outcome.records} records, .* due, .* paid`))
  for (const kind of ['order', 'accept', 'invoice', 'payment']) {
    await log.getByRole('cell', { name: kind, exact: true }).first().waitFor()
  }
  const deposit = log.getByRole('row').filter({ has: page.getByRole('cell', { name: 'deposit', exact: true }) })
  await deposit.getByRole('button', { name: /^Copy transaction 0x[0-9a-f]{64}$/ }).waitFor()
  const [moved] = await call<Array<{ transaction: string }>>(buyer, 'GET', `/v1/sessions/${outcome.session}/moves`)
  const link = deposit.getByRole('link', { name: 'on the ledger' })
  assert.equal(await link.getAttribute('href'), `${EXPLORER}${moved?.transaction}`)
  const lines = await log.locator('tbody tr').allTextContents()
  await page.reload()
  await deposit.waitFor()
  await line.waitFor()
  assert.deepEqual(await log.locator('tbody tr').allTextContents(), lines, 'the log survives a reload')
  const kept = await readFile(join(network.folder, 'buyer', 'purchases', `${purchase}.jsonl`), 'utf8')
  assert.equal(kept.trimEnd().split('\n').length, Number(outcome.records))
  assert.equal(await save(page, 'Download JSONL'), kept)
  const csv = (await save(page, 'Download CSV')).trimEnd().split(/\r?\n/)
  assert.equal(csv.length, Number(outcome.records) + 1)
  const record = JSON.parse(kept.split('\n', 1)[0] ?? '') as { cpuPercent: number }
  assert.deepEqual(Object.keys(record), ['time', 'cpuPercent'])
  const { cpuPercent } = record
  const column = csv[0]?.split(',').indexOf('cpuPercent') ?? -1
  assert.equal(csv[1]?.split(',')[column], `${cpuPercent}`)

  const more = page.getByRole('region', { name: 'Go on' })
  assert.equal(await more.getByLabel('Risk').inputValue(), '0.01', 'what was risked before')
  await more.getByLabel('Risk').fill('0.02')
  await more.getByRole('button', { name: 'Go on' }).click()
  await page.getByRole('link', { name: 'the part before' }).waitFor()
  assert.notEqual(page.url(), first)
  await moves(page)
  const statusOf = async () => (await call<Bought[]>(buyer, 'GET', '/v1/purchases')).at(-1)
  const next = await statusOf()
  const signed = await call<Statement[]>(buyer, 'GET', `/v1/sessions/${next?.status.id}/statements`)
  assert.equal(signed.find(({ kind }) => kind === 'order')?.content?.prepay, '20000')
  await place(page, 'Buy').click()
  const running = page.getByRole('table', { name: 'Purchases' }).getByRole('row').nth(1)
  await running.getByRole('button', { name: `Stop ${title}` }).click()
  await running.getByRole('cell', { name: 'ended' }).waitFor()
  await running.getByRole('button', { name: `Go on ${title}` }).waitFor()
  await page.goto(`${buyer.api}/#/session/${next?.status.id}`)
  await log.getByRole('cell', { name: 'receipt', exact: true }).waitFor()
  const [start, again] = await Promise.all(
    [outcome.session, next?.status.id].map((id) => call<{ start: string }>(buyer, 'GET', `/v1/sessions/${id}`))
  )
  assert.equal(
    BigInt(again?.start ?? 0),
    BigInt(start?.start ?? 0) + BigInt(outcome.records),
    'nothing twice, nothing left out'
  )
  await place(page, 'Money').click()
  await page
    .getByRole('table', { name: 'Sessions' })
    .getByRole('button', { name: `Copy session ID ${outcome.session}` })
    .waitFor()
  assert.deepEqual([...sells.faults, ...buys.faults], [])
}

/** The chart shows something, and then something else. */
async function moves(page: Page): Promise<void> {
  const chart = page.getByRole('img', { name: /^Chart of cpuPercent: [0-9.]+;/ })
  await chart.waitFor()
  await page.locator('.chart canvas').waitFor()
  const records = page.getByRole('table', { name: 'Newest records' })
  const newest = async (): Promise<number> => Number(await records.locator('tbody td').first().textContent())
  const before = await newest()
  const drawn = await chart.screenshot()
  while ((await newest()) <= before) await page.waitForTimeout(POLL_MS)
  while (drawn.equals(await chart.screenshot())) await page.waitForTimeout(POLL_MS)
}

async function save(page: Page, name: string): Promise<string> {
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name }).click()])
  return readFile(await file.path(), 'utf8')
}

/** What has the focus, as who listens hears it. */
const FOCUSED = `(() => {
  const { activeElement: element } = document
  const label = element.labels?.[0] ?? element
  return element.getAttribute('aria-label') ?? label.textContent
})()`

async function tabTo(page: Page, name: RegExp): Promise<void> {
  const passed: string[] = []
  for (let presses = 0; presses < 80; presses++) {
    await page.keyboard.press('Tab')
    const focused = await page.evaluate<string>(FOCUSED)
    if (name.test(focused)) return
    passed.push(focused)
  }
  assert.fail(`${name} is not reached by Tab: ${passed.join(' | ')}`)
}

async function keyboard(t: TestContext, browser: Browser, { seller, buyer, network }: Market): Promise<void> {
  const lines = Array.from({ length: 40 }, (_, index) => JSON.stringify({ depth: index * 1.5, well: 'north' }))
  const source = await network.file('wells.jsonl', `${lines.join('\n')}\n`)
  const schema = { type: 'object', properties: { depth: { type: 'number' } }, required: ['depth'] }
  const product = { title: 'Wells', price: '0.001/record', source: `jsonl:${source}`, free: 5, schema }
  await call(seller, 'POST', '/v1/products', { product })
  const { page, faults } = await openPage(t, browser, buyer)
  await page.getByRole('heading', { name: 'Wells' }).waitFor()
  await page.keyboard.press('Tab')
  assert.match(await page.evaluate<string>(FOCUSED), /Skip to the content/)
  await page.keyboard.press('Enter')
  await tabTo(page, /Search for data/)
  await page.keyboard.type('wells')
  await page.getByText('1 listing', { exact: true }).waitFor()
  await tabTo(page, /^Wells$/)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Wells', level: 1 }).waitFor()
  await tabTo(page, /Fetch free records/)
  await page.keyboard.press('Enter')
  await page.getByText('5 records came for nothing; each keeps to the JSON Schema of the listing.').waitFor()
  const sample = page.getByRole('table', { name: 'Free records' })
  assert.deepEqual(await sample.locator('tbody td:first-child').allTextContents(), ['0', '1', '2', '3', '4'])
  await page.getByRole('main').focus()
  await tabTo(page, /^Buy$/)
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Start buying' }).waitFor()
  await tabTo(page, /Quantity/)
  await page.keyboard.type('30')
  await tabTo(page, /Budget/)
  await page.keyboard.type('0.05')
  await page.keyboard.press('Enter')
  await page.getByText('complete', { exact: true }).waitFor()
  await tabTo(page, /Download JSONL/)
  const [file] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')])
  assert.equal(await readFile(await file.path(), 'utf8'), `${lines.slice(0, 30).join('\n')}\n`)
  assert.deepEqual(faults, [])
}

async function together(t: TestContext, browser: Browser, { seller, buyer, network }: Market): Promise<void> {
  const source = await network.file('wind.jsonl', '{"wind":1}\n')
  const document = { spatial: { point: [-70.65, -33.45] } }
  const product = { title: 'Wind of Santiago', price: '0.001/record', source: `jsonl:${source}`, document }
  await call(seller, 'POST', '/v1/products', { product })
  const { page, faults } = await openPage(t, browser, buyer)
  await page.getByText('3 listings', { exact: true }).waitFor()
  await tabTo(page, /^2 listings here: list them$/)
  await page.keyboard.press('Enter')
  await page.getByText('2 listings at this place').waitFor()
  assert.equal(await page.evaluate<string>(FOCUSED), 'Listings')
  const list = page.getByRole('region', { name: 'Listings' })
  const titles = await list.getByRole('heading', { level: 2 }).allTextContents()
  assert.deepEqual(titles.toSorted(), ['Machine room', 'Wind of Santiago'])
  await tabTo(page, /^Show all listings$/)
  await page.keyboard.press('Enter')
  await page.getByText('3 listings', { exact: true }).waitFor()
  assert.deepEqual(faults, [])
}

interface Wallet {
  frozen: boolean
  budget: { perSession: string }
}

async function money(t: TestContext, browser: Browser, { buyer }: Market): Promise<void> {
  const { page, faults } = await openPage(t, browser, buyer)
  await place(page, 'Money').click()
  await page.getByLabel('One purchase').fill('0.25')
  await page.getByRole('button', { name: 'Change caps' }).click()
  await page.getByText('The caps hold from now on.').waitFor()
  assert.equal((await call<Wallet>(buyer, 'GET', '/v1/wallet')).budget.perSession, '250000')
  await page.getByRole('button', { name: 'Freeze all payments' }).click()
  await page.getByText('Frozen: nothing is signed.').waitFor()
  assert.equal((await call<Wallet>(buyer, 'GET', '/v1/wallet')).frozen, true)
  await page.getByRole('button', { name: 'Unfreeze' }).click()
  await page.getByRole('button', { name: 'Sign again, within the caps' }).click()
  await page.getByRole('button', { name: 'Freeze all payments' }).waitFor()
  assert.equal((await call<Wallet>(buyer, 'GET', '/v1/wallet')).frozen, false)
  assert.deepEqual(faults, [])
}

async function statuses(t: TestContext, browser: Browser, { seller, network }: Market): Promise<void> {
  const source = join(network.folder, 'tides.csv')
  await writeFile(source, 'time,level\n1,2\n2,3\n')
  await call(seller, 'POST', '/v1/products', {
    product: { title: 'Tides', price: '0.01/record', source: `csv:${source}` }
  })
  const { page, faults } = await openPage(t, browser, seller)
  await place(page, 'Sell').click()
  const row = page.getByRole('row').filter({ hasText: 'Tides' })
  await row.getByText('on sale').waitFor()
  await row.getByRole('button', { name: 'Pause' }).click()
  await row.getByText('paused').waitFor()
  await row.getByRole('button', { name: 'Go on' }).click()
  await row.getByText('on sale').waitFor()
  await row.getByRole('button', { name: 'Retire' }).click()
  await row.getByRole('button', { name: 'Retire for good' }).click()
  await row.getByText('retired').waitFor()
  const { id } = await call<Array<{ id: string; document: { title: string } }>>(
    seller,
    'GET',
    '/v1/listings?status=any&text=tides'
  ).then(([listing]) => listing ?? { id: '' })
  assert.equal((await call<{ status: string }>(seller, 'GET', `/v1/listings/${id}`)).status, 'retired')
  assert.deepEqual(faults, [])
}

async function tokens(t: TestContext, browser: Browser, { buyer }: Market): Promise<void> {
  for (const [address, said] of [
    [buyer.api, 'Open the address that the node printed'],
    [`${buyer.api}/#token=wrong`, 'the token is wrong']
  ] as const) {
    const page = await browser.newPage()
    t.after(() => page.close())
    await page.goto(address)
    await page.getByRole('heading', { name: 'This page needs its key' }).waitFor()
    await page.getByText(said).waitFor()
    assert.equal(await page.getByRole('navigation').count(), 0)
  }
}
