import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { readProfile, writeProfile } from '../../src/node/index.ts'
import { tempDir } from '../support/temp-dir.ts'
import { ddm, errorOf, type Network, type Server, serve, startNetwork } from './cli-process.ts'

/** Payments over the local IOTA ledger, between processes: alone, and beside another currency. */

const ROWS = 120
let network: Network
let ledger: Server
let seller: Server
const listings: Record<string, string> = {}

before(async () => {
  network = await startNetwork()
  ledger = serve(['iota-ledger', '--home', join(network.folder, 'ledger')])
  const { rpc, faucet } = await ledger.event('ready')
  const added = await ddm(['network', 'iota', String(rpc), '--faucet', String(faucet), ...network.as('admin')])
  assert.equal(added.code, 0, added.stderr)
  await network.file('air.csv', `n\n${Array.from({ length: ROWS }, (_, i) => i).join('\n')}\n`)
  const config = await network.file(
    'products.json',
    JSON.stringify({
      products: [
        { title: 'Both', price: ['0.0001/record', '0.01 IOTA/record'], credit: '0.5', source: 'csv:air.csv' },
        { title: 'Only in IOTA', price: '0.01 IOTA/record', credit: '0.5', source: 'csv:air.csv' },
        { title: 'Given away', price: ['0.0001/record', '0.01 IOTA/record'], free: 5, source: 'csv:air.csv' },
        { title: 'Live in IOTA', price: '0.01 IOTA/record', credit: '0.5', source: 'telemetry', period: 20 }
      ]
    })
  )
  seller = serve(['sell', '--config', config, ...network.as('seller'), '--set', 'inboundPerSecond=1000'])
  await seller.event('ready')
  for (const { event, title, listing } of seller.said.events) {
    if (event === 'listed') listings[String(title)] = String(listing)
  }
})

after(async () => {
  await seller?.stop()
  await ledger?.stop()
  await network?.close()
})

interface Bought {
  rail: string
  records: number
  due: string
  paid: string
  symbol: string
  session: string
}

async function buy(home: string, listing: string, ...flags: string[]): Promise<{ bought: Bought; stderr: string }> {
  const file = join(network.folder, `${home}-${listing.slice(2, 10)}.jsonl`)
  const ran = await ddm(['buy', listing, '--json', '-o', file, '--force', ...flags, ...network.as(home)])
  assert.equal(ran.code, 0, ran.stderr)
  return { bought: JSON.parse(ran.stdout.trim().split('\n').at(-1) ?? '') as Bought, stderr: ran.stderr }
}

test('a product that is paid in IOTA alone: the fee is said first, every record is paid, the bundle names the transactions', async (t) => {
  const { bought, stderr } = await buy('ann', listings['Only in IOTA'] ?? '')
  assert.deepEqual(
    [bought.rail, bought.records, bought.due, bought.paid, bought.symbol],
    ['iota', ROWS, '1.2', '1.2', 'IOTA']
  )
  const fee = stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .find(({ event }) => event === 'fee')
  assert.deepEqual([fee?.fee, fee?.symbol, fee?.k], ['0.0019804', 'IOTA', '20'])
  const file = join(await tempDir(t), 'session.car')
  const exported = await ddm(['receipts', 'export', bought.session, '-o', file, '--json', ...network.as('ann')])
  assert.equal(exported.code, 0, exported.stderr)
  const verified = await ddm(['receipts', 'verify', file, '--json'])
  assert.equal(verified.code, 0, verified.stderr)
  const bundle = JSON.parse(verified.stdout) as { rail: string; credited: string; transfers: Array<{ amount: string }> }
  assert.equal(bundle.rail, 'iota')
  assert.equal(bundle.credited, '1200000000')
  const amounts = bundle.transfers.map(({ amount }) => BigInt(amount))
  assert.equal(
    amounts.reduce((sum, amount) => sum + amount, 0n),
    1_200_000_000n
  )
  // Of 20 records or more, but for the last: the fee stays below 1 %.
  for (const amount of amounts.slice(0, -1)) assert.ok(amount >= 200_000_000n, `${amounts}`)
})

test('a product with two prices: the wallet and its policy decide, or the user', async () => {
  const both = listings.Both ?? ''
  const byPolicy = await buy('bea', both)
  assert.deepEqual([byPolicy.bought.rail, byPolicy.bought.due], ['evm', '0.012'])
  const byUser = await buy('bea', both, '--rail', 'iota', '--max', '2')
  assert.deepEqual([byUser.bought.rail, byUser.bought.due], ['iota', '1.2'])
  const otherPolicy = await buy('cem', both, '--set', 'rails=iota,evm', '--max', '2')
  assert.equal(otherPolicy.bought.rail, 'iota')
  const shown = await ddm(['show', both, ...network.as('bea')])
  assert.match(shown.stdout, /0\.0001 tUSD per record \(evm\)/)
  assert.match(shown.stdout, /0\.01 IOTA per record \(iota\)/)
  const sessions = await ddm(['sessions', 'list', ...network.as('bea')])
  assert.match(sessions.stdout, /1\.2 IOTA/)
  assert.match(sessions.stdout, /0\.012 tUSD/)
})

test('a buyer that is killed while it pays goes on, and has paid each record once', async () => {
  const file = join(network.folder, 'live.jsonl')
  const flags = ['-n', '400', '--max', '5', '-o', file, '--json', ...network.as('hal')]
  const first = serve(['buy', listings['Live in IOTA'] ?? '', ...flags])
  let ended = ''
  void first.exited.then((how) => {
    ended = JSON.stringify(how)
  })
  for (let lines = 0; lines < 60; await sleep(20)) {
    assert.equal(ended, '', 'it ended before it was killed')
    lines = (await readFile(file, 'utf8').catch(() => '')).split('\n').length
  }
  process.kill(first.pid, 'SIGKILL')
  await first.exited
  const sessions = await ddm(['sessions', 'list', '--json', ...network.as('hal')])
  const { session } = JSON.parse(sessions.stdout.trim()) as { session: string }
  const resumed = await ddm(['sessions', 'resume', session, '--json', ...network.as('hal')])
  assert.equal(resumed.code, 0, resumed.stderr)
  assert.equal((await readFile(file, 'utf8')).trim().split('\n').length, 400)
  const bundle = join(network.folder, 'live.car')
  const exported = await ddm(['receipts', 'export', session, '-o', bundle, '--json', ...network.as('hal')])
  assert.equal(exported.code, 0, exported.stderr)
  const checked = await ddm(['receipts', 'verify', bundle, '--onledger', '--network', network.profile, '--json'])
  assert.equal(checked.code, 0, checked.stdout + checked.stderr)
  const { credited, due, transfers } = JSON.parse(checked.stdout) as {
    credited: string
    due: string
    transfers: Array<{ amount: string; found: boolean }>
  }
  const sum = transfers.reduce((total, { amount }) => total + BigInt(amount), 0n)
  assert.deepEqual([due, credited, sum], ['4000000000', '4000000000', 4_000_000_000n])
  assert.ok(transfers.every(({ found }) => found))
})

test('what a listing gives away needs neither funds nor budget, whichever way it could be paid', async () => {
  // Without the faucets of the network.
  const { iota, ...profile } = await readProfile(network.profile)
  const poor = join(network.folder, 'poor.json')
  assert.ok(iota)
  const { faucetUrl: _faucet, ...ledgerOnly } = iota
  await writeProfile(poor, { ...profile, iota: ledgerOnly })
  const home = ['--home', join(network.folder, 'poor'), '--network', poor, '--insecure-dev-keys']
  const caps = ['budgetPerRecord', 'budgetPerSession'].flatMap((cap) => ['--set', `${cap}=0`])
  for (const rails of ['evm,iota', 'iota']) {
    const sampled = await ddm([
      'sample',
      listings['Given away'] ?? '',
      '--json',
      ...home,
      ...caps,
      '--set',
      `rails=${rails}`
    ])
    assert.equal(sampled.code, 0, sampled.stderr)
    const { records, paid } = JSON.parse(sampled.stderr.trim().split('\n').at(-1) ?? '') as Bought
    assert.deepEqual([records, paid], [5, '0'])
  }
})

test('budgets hold in each currency by itself', async () => {
  const refused = await ddm([
    'buy',
    listings['Only in IOTA'] ?? '',
    '--json',
    '--max',
    '1.2',
    '--set',
    'budgetPerSession=0.5',
    ...network.as('dan')
  ])
  assert.notEqual(refused.code, 0)
  assert.equal(errorOf(refused).code, 'budget')
  assert.match(errorOf(refused).message, /IOTA, budgetPerSession allows 0\.5 IOTA/)
  const noWay = await ddm(['buy', listings['Only in IOTA'] ?? '', '--json', '--set', 'rails=evm', ...network.as('dan')])
  assert.equal(errorOf(noWay).code, 'refused')
  assert.match(errorOf(noWay).message, /is paid by iota on iota:[0-9a-f]{8}; this node pays by evm/)
})

test('a seller asks for a currency that the network does not have, and a ledger that is not there', async () => {
  const source = join(network.folder, 'air.csv')
  const wrong = await ddm([
    'sell',
    '--name',
    'x',
    '--price',
    '1 DOGE/record',
    '--source',
    `csv:${source}`,
    '--json',
    ...network.as('eve')
  ])
  assert.equal(errorOf(wrong).code, 'usage')
  assert.match(errorOf(wrong).message, /"1 DOGE" is in none of the currencies of this network: tUSD, IOTA/)
  const profile = await readProfile(network.profile)
  const elsewhere = join(network.folder, 'elsewhere.json')
  await writeProfile(elsewhere, {
    ...profile,
    iota: { chainIdentifier: '00000000', rpcUrl: String(profile.iota?.rpcUrl) }
  })
  const flags = ['--home', join(network.folder, 'fay'), '--network', elsewhere, '--insecure-dev-keys', '--json']
  const mismatch = await ddm(['search', ...flags])
  assert.equal(errorOf(mismatch).code, 'networkMismatch')
})

for (const [medium, network_] of [
  ['iota', /^iota:/],
  ['evm', /^eip155:31337$/]
] as const) {
  test(`what was signed is recorded on ${medium}, and a bundle is held against the ledger`, async (t) => {
    const home = `recorder-${medium}`
    const { bought } = await buy(
      home,
      listings['Only in IOTA'] ?? '',
      '--records',
      '20',
      '--set',
      `recordsMedium=${medium}`
    )
    const file = join(await tempDir(t), 'session.car')
    const exported = await ddm(['receipts', 'export', bought.session, '-o', file, '--json', ...network.as(home)])
    assert.equal(exported.code, 0, exported.stderr)
    const verified = await ddm(['receipts', 'verify', file, '--onledger', '--network', network.profile, '--json'])
    assert.equal(verified.code, 0, verified.stderr)
    const { recorded, transfers } = JSON.parse(verified.stdout) as {
      recorded: Array<{ kind: string; network: string; found: boolean }>
      transfers: Array<{ found: boolean }>
    }
    const kinds = recorded.map(({ kind }) => kind)
    assert.ok(kinds.includes('order') && kinds.includes('invoice') && kinds.includes('receipt'), `${kinds}`)
    for (const one of recorded) assert.ok(one.found && network_.test(one.network))
    assert.ok(transfers.length > 0 && transfers.every(({ found }) => found))
    // A network that knows nothing of it says so.
    const profile = await readProfile(network.profile)
    const other = serve(['iota-ledger', '--home', join(network.folder, `other-${medium}`)])
    t.after(() => other.stop())
    const { rpc, chainIdentifier } = await other.event('ready')
    const elsewhere = join(network.folder, `elsewhere-${medium}.json`)
    const iota = { chainIdentifier: String(chainIdentifier), rpcUrl: String(rpc) }
    await writeProfile(elsewhere, { ...profile, iota })
    const missing = await ddm(['receipts', 'verify', file, '--onledger', '--network', elsewhere])
    assert.notEqual(missing.code, 0)
    assert.match(missing.stdout, /NOT ON THE LEDGER: no ledger of iota:[0-9a-f]{8} is known here/)
  })
}

test('a seller that pays the fees: the buyer pays what is due, to the nano', async (t) => {
  const config = await network.file(
    'sponsored.json',
    JSON.stringify({
      products: [{ title: 'Without fees', price: '0.01 IOTA/record', credit: '0.5', source: 'csv:air.csv' }]
    })
  )
  const sponsor = serve([
    'sell',
    '--config',
    config,
    ...['--set', 'sponsorFees=true', '--set', 'inboundPerSecond=1000'],
    ...network.as('sponsor')
  ])
  t.after(() => sponsor.stop())
  const listing = String((await sponsor.event('listed')).listing)
  await sponsor.event('ready')
  const { bought } = await buy('gus', listing)
  assert.deepEqual([bought.rail, bought.due, bought.paid], ['iota', '1.2', '1.2'])
  const wallet = await ddm(['wallet', 'show', '--json', ...network.as('gus')])
  assert.equal(wallet.code, 0, wallet.stderr)
  assert.equal((JSON.parse(wallet.stdout) as { iota: { balance: string } }).iota.balance, '18.8')
})

test('the whole market in IOTA by one command', async (t) => {
  const home = join(await tempDir(t), 'market')
  const { code, stdout, stderr } = await ddm(['demo', '--rail', 'iota', '--once', '--json', '--home', home])
  assert.equal(code, 0, stderr)
  const summary = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>
  assert.equal(summary.records, 8_859)
  // 100 × 0.01 + 8,759 × 0.0005
  assert.deepEqual([summary.due, summary.paid, summary.claimed], ['5.3795', '5.3795', '5.3795'])
})
