import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { rpcCall } from './chain-fixture.ts'
import { ddm, type Network, type Ran, refused, type Server, serve, startNetwork } from './cli-process.ts'

/** What becomes of deposits, as a person at a terminal sees it: one seller, and buyers that want their rest back. */

const ROWS = 200
let network: Network
let seller: Server
let listing: string

before(async () => {
  network = await startNetwork()
  await network.file('air.csv', `n\n${Array.from({ length: ROWS }, (_, i) => i).join('\n')}\n`)
  seller = serve([
    'sell',
    ...['--name', 'Long air', '--price', '0.0001/record', '--source', `csv:${join(network.folder, 'air.csv')}`],
    ...network.as('seller'),
    ...['--set', 'inboundPerSecond=1000', '--set', 'withdrawDelay=15m']
  ])
  listing = String((await seller.event('listed')).listing)
  await seller.event('ready')
})

after(async () => {
  await seller?.stop()
  await network?.close()
})

interface Shown {
  channel: string
  role: string
  balance: string
  paid: string
  claimed: string
  unclaimed: string
  unspent: string
  askedBack: string
  thawingUntil?: string
}

function lines<T>({ stdout, stderr, code }: Ran): T[] {
  assert.equal(code, 0, stderr)
  return stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)
}

async function buy(who: string, ...flags: string[]): Promise<Record<string, unknown>> {
  const file = join(network.folder, `${who}.jsonl`)
  const ran = await ddm(['buy', listing, '-o', file, '--json', ...flags, ...network.as(who)])
  return lines<Record<string, unknown>>(ran)[0] as Record<string, unknown>
}

async function channelsOf(who: string): Promise<Shown[]> {
  return lines<Shown>(await ddm(['channels', 'list', '--json', ...network.as(who)]))
}

describe('a deposit', { concurrency: false }, () => {
  test('is reused by the next purchase of another run, and listed with what is left', async () => {
    assert.deepEqual(await channelsOf('ann'), [])
    await buy('ann', '--records', '20', '--max', '0.01')
    const [first] = await channelsOf('ann')
    const { balance, paid, unspent, askedBack } = first as Shown
    assert.deepEqual([balance, paid, unspent, askedBack], ['0.01', '0.002', '0.008', '0'])
    await buy('ann', '--records', '30', '--max', '0.008')
    const [again, ...others] = await channelsOf('ann')
    assert.deepEqual(others, [])
    assert.equal(again?.channel, first?.channel)
    assert.deepEqual([again?.balance, again?.paid, again?.unspent], ['0.01', '0.005', '0.005'])
  })

  test('comes back at the end of the purchase that asks for it', async () => {
    await buy('bea', '--records', '20', '--max', '0.01', '--refund')
    const { balance, unspent, claimed } = await settled('bea', ({ unspent }) => unspent === '0')
    assert.deepEqual([balance, unspent, claimed], ['0.002', '0', '0.002'])
    // The channel goes on: the next purchase deposits what is missing.
    await buy('bea', '--records', '10', '--max', '0.001')
    const [one, ...others] = await channelsOf('bea')
    assert.deepEqual([one?.balance, one?.paid, others.length], ['0.003', '0.003', 0])
  })

  test('comes back later, when the seller is asked again', async () => {
    await buy('cem', '--records', '20', '--max', '0.01')
    const [{ channel }] = (await channelsOf('cem')) as [Shown]
    const ran = await ddm(['channels', 'refund', channel.slice(0, 12), '--json', ...network.as('cem')])
    const [{ refunded }] = lines<{ refunded: string }>(ran) as [{ refunded: string }]
    assert.equal(refunded, '0.008')
    const [after] = await channelsOf('cem')
    assert.deepEqual([after?.balance, after?.unspent], ['0.002', '0'])
    const nothing = await ddm(['channels', 'refund', channel, ...network.as('cem')])
    assert.match(nothing.stdout, /^Nothing was refunded/)
  })

  test('comes back without the seller, after the delay; the seller has claimed what is its own', async () => {
    await buy('dan', '--records', '20', '--max', '0.01')
    const [{ channel }] = (await channelsOf('dan')) as [Shown]
    const home = network.as('dan')
    refused(await ddm(['channels', 'finish', channel, '--json', ...home]), 'refused', /nothing of channel .* was asked/)
    refused(
      await ddm(['channels', 'withdraw', channel, '--amount', '0.009', '--json', ...home]),
      'funds',
      /8000 unspent/
    )
    const [asked] = lines<Shown>(await ddm(['channels', 'withdraw', channel, '--json', ...home]))
    assert.equal(asked?.askedBack, '0.008')
    const [listed] = await channelsOf('dan')
    assert.deepEqual([listed?.askedBack, listed?.thawingUntil], ['0.008', asked?.thawingUntil])
    refused(await ddm(['channels', 'finish', channel, '--json', ...home]), 'refused', /can be taken from .*, not yet/)
    refused(await ddm(['channels', 'withdraw', channel, '--json', ...home]), 'refused', /asked back already/)
    // Nobody told the seller: it saw the withdrawal on the chain.
    assert.equal((await settled('dan', ({ claimed }) => claimed === '0.002')).claimed, '0.002')
    await rpcCall(network.rpc, 'evm_increaseTime', [901])
    await rpcCall(network.rpc, 'evm_mine')
    const [{ taken }] = lines<{ taken: string }>(await ddm(['channels', 'finish', channel, '--json', ...home])) as [
      { taken: string }
    ]
    assert.equal(taken, '0.008')
    const [done] = await channelsOf('dan')
    assert.deepEqual([done?.balance, done?.unspent, done?.thawingUntil], ['0.002', '0', undefined])
  })
})

/** Channels change on the chain some time after the command that caused it. */
async function settled(who: string, is: (channel: Shown) => boolean): Promise<Shown> {
  for (let i = 0; i < 20; i++) {
    const [channel] = await channelsOf(who)
    if (channel !== undefined && is(channel)) return channel
  }
  throw new Error(`the channel of ${who} stays as it is: ${JSON.stringify(await channelsOf(who))}`)
}
