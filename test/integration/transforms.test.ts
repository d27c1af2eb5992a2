import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ddm, type Network, refused, type Server, serve, startNetwork } from './cli-process.ts'

/** One source, read once from stdin, sold at several prices by one process; flags and files that cannot work. */

const ROWS = 500
const SCHEMA = {
  type: 'object',
  properties: { time: { type: 'string', format: 'date-time' }, wind: { type: 'object' }, n: { type: 'integer' } },
  required: ['time', 'n']
}

/** Ten seconds apart; each hundredth breaks the schema. */
const row = (n: number): string =>
  JSON.stringify({
    time: new Date(Date.UTC(2026, 0, 1) + n * 10_000).toISOString(),
    n: n % 100 === 50 ? 'broken' : n,
    wind: { speed: n / 4, from: 'NW' }
  })
const INPUT = `${Array.from({ length: ROWS }, (_, n) => row(n)).join('\n')}\n`

let network: Network
let seller: Server
const listed: Record<string, string> = {}

before(async () => {
  network = await startNetwork()
  const document = { schema: { encoding: 'json', jsonSchema: SCHEMA } }
  const products = [
    { title: 'All wind', price: '0.0002/record', source: 'stdin', document, onInvalid: 'drop' },
    { title: 'Wind by the minute', price: '0.0001/record', source: 'stdin', interval: '1m', time: 'time' },
    { title: 'Some speed', price: '0.00001/record', source: 'stdin', every: 10, select: ['n', 'wind.speed'] }
  ]
  const config = await network.file('products.json', JSON.stringify({ products }))
  seller = serve(['sell', '--config', config, ...network.as('seller')], { input: INPUT })
  await seller.event('ready')
  for (const { event, title, listing } of seller.said.events) {
    if (event === 'listed') listed[String(title)] = String(listing)
  }
})

after(async () => {
  await seller?.stop()
  await network?.close()
})

async function bought(title: string, ...flags: string[]): Promise<Array<Record<string, unknown>>> {
  const ran = await ddm(['buy', String(listed[title]), '--prepay', '0.01', ...flags, ...network.as('buyer')])
  assert.equal(ran.code, 0, ran.stderr)
  return ran.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

test('each product is what it says of one source that was read once', async () => {
  const all = await bought('All wind', '-n', '495')
  assert.deepEqual(
    all.map(({ n }) => n),
    Array.from({ length: ROWS }, (_, n) => n).filter((n) => n % 100 !== 50)
  )
  const minutes = await bought('Wind by the minute', '-n', '84')
  assert.deepEqual(
    minutes.map(({ time }) => String(time).slice(11, 19)),
    Array.from({ length: 84 }, (_, n) => new Date(n * 60_000).toISOString().slice(11, 19))
  )
  const some = await bought('Some speed', '-n', '50')
  assert.deepEqual(some[3], { n: 30, wind: { speed: 7.5 } })
  assert.deepEqual(some[5], { n: 'broken', wind: { speed: 12.5 } })
  const dropped = seller.said.events.filter(({ event }) => event === 'dropped')
  assert.equal(dropped.length, 5)
  assert.match(String(dropped[0]?.message), /record 51 breaks the schema of the listing: \/n must be integer/)
})

test('what was bought is said with its quality', async () => {
  const ran = await ddm(['buy', String(listed['All wind']), '-n', '20', '--json', ...network.as('buyer')])
  assert.equal(ran.code, 0, ran.stderr)
  const summary = ran.stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string; quality: object })
  assert.deepEqual(summary.find(({ event }) => event === 'bought')?.quality, { invalid: 0, failures: 0 })
})

test('a node that runs already thins, selects and drops for the command that feeds it', async () => {
  const daemon = serve(['start', ...network.as('daemon')])
  await daemon.event('ready')
  const flags = ['--every', '2', '--select', 'n', '--on-invalid', 'drop']
  const args = ['sell', '--name', 'Fed wind', '--price', '0', '--source', 'stdin', ...flags]
  const feeding = serve([...args, '--home', join(network.folder, 'daemon')], {
    input: '{"n":0,"x":1}\n{"n":1}\n{"x":2}\n{"n":3}\n{"n":4,"y":0}\n'
  })
  try {
    listed['Fed wind'] = String((await feeding.event('listed')).listing)
    assert.deepEqual(await bought('Fed wind', '-n', '2'), [{ n: 0 }, { n: 4 }])
    assert.equal((await feeding.event('dropped')).dropped, 1)
  } finally {
    await feeding.stop()
    await daemon.stop()
  }
})

test('flags that cannot work are refused before anything is published', async () => {
  const base = ['sell', '--name', 'X', '--price', '0.1', '--source', 'stdin', '--json', ...network.as('other')]
  const cases: Array<[flags: string[], said: RegExp]> = [
    [['--every', '0'], /every/],
    [['--interval', '0s'], /interval/],
    [['--interval', '1 minute'], /interval/],
    [['--interval', '1m'], /stdin is read at once.*name its field with time/],
    [['--select', 'a..b'], /"a\.\.b" is no field/],
    [['--select', ','], /select: name 1 to/],
    [['--time', '.'], /"\." is no field/],
    [['--on-invalid', 'skip'], /skip/]
  ]
  const ran = await Promise.all(cases.slice(0, 3).map(([flags]) => ddm([...base, ...flags], { input: '{}\n' })))
  for (const [index, one] of ran.entries()) {
    assert.equal(one.code, 2)
    assert.match(one.stderr, cases[index]?.[1] as RegExp)
  }
  for (const [flags, said] of cases.slice(3)) refused(await ddm([...base, ...flags], { input: '{}\n' }), 'usage', said)
})

test('a file with a key that nobody knows, or a record without the field, says so', async () => {
  const sell = async (product: object) => {
    const config = await network.file(
      'wrong.json',
      JSON.stringify({ products: [{ title: 'Odd wind', price: '0', source: 'stdin', ...product }] })
    )
    return ddm(['sell', '--config', config, '--json', ...network.as('other')], { input: '{"a":1}\n{"b":1}\n' })
  }
  refused(await sell({ selct: ['a'] }), 'usage', /unknown key "selct"; known are .*select/)
  refused(await sell({ interval: 'often' }), 'usage', /interval "often" is not a time span/)
  refused(await sell({ select: 'a' }), 'usage', /"select" of product 1 is "a"; it must be array/)
  refused(await sell({ select: ['a'] }), 'badRecord', /record 2 has no field "a"/)
})
