import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { matchExpression } from '../../../src/registry/search.ts'
import { ACCOUNT, draft, PEER, startNode } from './market.ts'

test('words, prefixes, diacritics and plurals find; every term must occur', async () => {
  await using node = await startNode()
  const { registry } = node
  await registry.publish(draft(1, { title: 'Zürich humidity', keywords: ['weather', 'PM2.5'] }))
  await registry.publish(
    draft(2, { title: 'Bogotá traffic', keywords: [], description: 'Cars per minute, hourly summaries' })
  )
  const cases: Array<[string, string[]]> = [
    ['zurich', ['Zürich humidity']],
    ['ZÜRICH', ['Zürich humidity']],
    ['bogota', ['Bogotá traffic']],
    ['humidit', ['Zürich humidity']],
    ['humidi', ['Zürich humidity']],
    ['summary', ['Bogotá traffic']],
    ['car', ['Bogotá traffic']],
    ['PM2.5', ['Zürich humidity']],
    ['hourly', ['Bogotá traffic', 'Zürich humidity']],
    ['hourly traffic', ['Bogotá traffic']],
    ['traffic humidity', []],
    ['nothing', []],
    ['"', []],
    ['title : x', []],
    ['', ['Bogotá traffic', 'Zürich humidity']],
    ['   ', ['Bogotá traffic', 'Zürich humidity']]
  ]
  for (const [text, titles] of cases) {
    const found = await registry.search({ text })
    assert.deepEqual(found.map(({ document }) => document.title).sort(), [...titles].sort(), text)
  }
})

test('a title counts more than a description, and the newest comes first without words', async () => {
  await using node = await startNode()
  const { registry } = node
  await registry.publish(draft(1, { title: 'Tide levels', description: 'Water height at the pier, every minute.' }))
  await registry.publish(
    draft(2, { title: 'Pier cameras', description: 'Pictures of the water, the tide and the sky' })
  )
  const titles = async (text?: string) =>
    (await registry.search(text === undefined ? {} : { text })).map(({ document }) => document.title)
  assert.deepEqual(await titles('tide'), ['Tide levels', 'Pier cameras'])
  assert.deepEqual(await titles(), ['Pier cameras', 'Tide levels'])
  await registry.publish(draft(1, { title: 'Tide levels, calibrated' }))
  assert.deepEqual(await titles(), ['Tide levels, calibrated', 'Pier cameras'])
})

test('every prefix of a word finds it, unless the stemmer reads the prefix as another word', async () => {
  await using node = await startNode()
  const words = ['humidity', 'temperature', 'relational', 'stations', 'measurement', 'Seattle', '気象', 'Größe']
  await node.registry.publish(draft(1, { title: words.join(' ') }))
  for (const word of words) {
    for (let length = 1; length <= word.length; length++) {
      const text = word.slice(0, length)
      assert.equal((await node.registry.search({ text })).length, 1, text)
    }
  }
})

test('no text breaks a search or steers it', async () => {
  await using node = await startNode()
  await node.registry.publish(draft(1))
  const hostile = [
    '"',
    '""',
    'a" OR "b',
    'title:weather',
    'NEAR(a b)',
    '*',
    'a AND NOT b',
    '^zz',
    '{title} : a',
    "';--",
    '\0',
    '-',
    '('
  ]
  for (const text of hostile) assert.deepEqual(await node.registry.search({ text }), [], text)
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string({ unit: 'binary' }), fc.string()), async (text) => {
      await node.registry.search({ text })
    }),
    { numRuns: 300 }
  )
  assert.equal(matchExpression('a "b* c'), '"a"* "b"* "c"*')
  assert.equal(matchExpression('x '.repeat(100))?.split(' ').length, 16)
  await assert.rejects(node.registry.search({ limit: 201 }), { code: 'usage' })
  await assert.rejects(node.registry.search({ offset: -1 }), { code: 'usage' })
  await assert.rejects(node.registry.search({ maxPrice: -1n }), { code: 'usage' })
  await assert.rejects(node.registry.search({ bbox: [0, 5, 1, 4] }), { code: 'usage' })
})

test('area, price and seller', async () => {
  await using node = await startNode()
  const { registry } = node
  const priced = (amount: string) => [
    { ...draft(1).document.payment[0], rail: 'evm' as const, price: { amount, count: 1, unit: 'record' as const } }
  ]
  await registry.publish(draft(1, { title: 'Seattle', spatial: { point: [-122.3, 47.6] }, payment: priced('100') }))
  await registry.publish(
    draft(2, { title: 'Fiji', spatial: { bbox: [177, -19, -178, -16] }, payment: priced(String(10n ** 30n)) })
  )
  await registry.publish(
    draft(3, { title: 'Nowhere', payment: [{ rail: 'free', price: { amount: '0', count: 1, unit: 'record' } }] })
  )
  const titles = async (query: Parameters<typeof registry.search>[0]) =>
    (await registry.search(query)).map(({ document }) => document.title).sort()
  assert.deepEqual(await titles({ bbox: [-123, 47, -122, 48] }), ['Seattle'])
  assert.deepEqual(await titles({ bbox: [-180, -90, 180, 90] }), ['Fiji', 'Seattle'])
  assert.deepEqual(await titles({ bbox: [-179, -18, -178.5, -17] }), ['Fiji'])
  assert.deepEqual(await titles({ bbox: [170, -20, -170, -10] }), ['Fiji'])
  assert.deepEqual(await titles({ bbox: [0, 0, 1, 1] }), [])
  assert.deepEqual(await titles({ maxPrice: 0n }), ['Nowhere'])
  assert.deepEqual(await titles({ maxPrice: 100n }), ['Nowhere', 'Seattle'])
  assert.deepEqual(await titles({ maxPrice: 10n ** 30n - 1n }), ['Nowhere', 'Seattle'])
  assert.deepEqual(await titles({ maxPrice: 10n ** 30n }), ['Fiji', 'Nowhere', 'Seattle'])
  assert.deepEqual(await titles({ seller: PEER, text: 'fiji' }), ['Fiji'])
  assert.deepEqual(await titles({ seller: ACCOUNT.toUpperCase().replace('X', 'x') }), ['Fiji', 'Nowhere', 'Seattle'])
  assert.deepEqual(await titles({ seller: 'nobody' }), [])
  assert.deepEqual(
    (await registry.search({ limit: 1, offset: 1 })).map(({ document }) => document.title),
    ['Fiji']
  )
})

test('what cannot be found or told apart is said so', async () => {
  await using node = await startNode()
  const { registry } = node
  await assert.rejects(registry.get('0x1234'), {
    code: 'notFound',
    message: 'no listing 0x1234; 0 listings are known up to block 0'
  })
  for (const text of ['0x12', 'hello', '', '0x1234g', 'Qm']) await assert.rejects(registry.get(text), { code: 'usage' })
  // Enough listings that two share four digits would take thousands: put twins into the index instead.
  const listing = await registry.publish(draft(1))
  const twin = `${listing.id.slice(0, 65)}${listing.id.endsWith('0') ? '1' : '0'}`
  await node.index.run([
    {
      sql: 'insert into registry_head select ?, seller, version, manifest, token, unit_price, unit, posted, status, updated_at, tx, number, block_hash, state, reason from registry_head',
      params: [twin]
    },
    {
      sql: 'insert into registry_listing select id + 1, ?, trust, source, posted, version, manifest, cid, account, peer_id, status, unit_price, updated_at, document from registry_listing',
      params: [twin]
    }
  ])
  await assert.rejects(registry.get(listing.id.slice(2, 12).toUpperCase()), (error: Error & { code: string }) => {
    assert.equal(error.code, 'ambiguous')
    assert.ok(
      error.message.includes(listing.id) && error.message.includes(twin) && error.message.includes('Weather station 1')
    )
    return true
  })
  assert.deepEqual(await registry.get(listing.id), listing)
})

test('facets are counted over all that fits, each as if it were not chosen itself', async () => {
  await using node = await startNode()
  const { registry } = node
  const iota = [
    {
      ...{ rail: 'iota' as const, network: 'iota:6364aad5' as const, asset: 'iota:6364aad5/slip44:4218' as const },
      ...{ payTo: `0x${'3'.repeat(64)}` as const, price: { amount: '1', count: 1, unit: 'record' as const } }
    }
  ]
  await registry.publish(draft(1, { keywords: ['air', 'air', 'rain'], cadence: { mode: 'finite' } }))
  await registry.publish(draft(2, { keywords: ['air'], license: { spdx: 'CC0-1.0' } }))
  await registry.publish(
    draft(3, { title: 'Tides', keywords: ['sea'], payment: [...draft(3).document.payment, ...iota] })
  )
  const counts = async (query: Parameters<typeof registry.facets>[0]) =>
    (await registry.facets(query)).map(({ facet, value, count }) => `${facet} ${value} ${count}`)
  assert.deepEqual(await counts({}), [
    ...['keyword air 2', 'keyword rain 1', 'keyword sea 1'],
    ...['kind finite 1', 'rail evm 3', 'rail iota 1', 'license CC0-1.0 1']
  ])
  assert.deepEqual(await counts({ text: 'tides' }), ['keyword sea 1', 'rail evm 1', 'rail iota 1'])
  assert.deepEqual(await counts({ keyword: 'sea' }), [
    ...['keyword air 2', 'keyword rain 1', 'keyword sea 1'],
    ...['rail evm 1', 'rail iota 1']
  ])
  const titles = async (query: Parameters<typeof registry.search>[0]) =>
    (await registry.search(query)).map(({ document }) => document.title)
  assert.deepEqual(await titles({ keyword: 'air', license: 'CC0-1.0' }), ['Weather station 2'])
  assert.deepEqual(await titles({ rail: 'iota' }), ['Tides'])
  assert.deepEqual(await titles({ keyword: 'ai' }), [], 'a facet is no beginning of a word')

  await registry.publish(draft(3, { title: 'Tides', keywords: ['ocean'] }))
  assert.deepEqual(await counts({ text: 'tides' }), ['keyword ocean 1', 'rail evm 1'], 'a new version replaces the old')

  await registry.publish(draft(4, { title: 'Waves', payment: iota }))
  const cheap = await titles({ maxPrice: 100n })
  assert.deepEqual(cheap.includes('Waves'), false, 'a price in another currency is not compared')
  assert.equal(cheap.length, 3)
})
