import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { connectChain } from '../src/chain/index.ts'
import { DdmError, type Hex, type Listing, type NetworkProfile, parseUnits } from '../src/interface/index.ts'
import { devAccounts, writeProfile } from '../src/node/index.ts'
import { createEip712 } from '../src/payments/index.ts'
import { type Peer, startPeer } from './child.ts'
import { startMarket } from './market.ts'

/** Many buyers in two processes on one seller at one record per second each, paid with vouchers of as many channels. */
const RECORD_BYTES = 200
const PRICE = '0.0001'
const UNIT = 100n
const K = 10
const MAX_RSS = 512e6
/** What is alive at 500 buyers is 110 MB; without a bound V8 lets three times that pile up before it collects. */
const HEAP = ['--max-semi-space-size=4', '--max-old-space-size=256']

interface Totals {
  buyers: number
  records: number
  bytes: number
  due: bigint
  credited: bigint
  latencies: number[]
}

export async function run(arguments_: string[]): Promise<void> {
  const { json, ...sizes } = parseArgs({
    args: arguments_,
    options: {
      json: { type: 'boolean', default: false },
      buyers: { type: 'string', default: '500' },
      seconds: { type: 'string', default: '30' }
    }
  }).values
  const [buyers, seconds] = [Number(sizes.buyers), Number(sizes.seconds)]
  if (!Number.isInteger(buyers) || buyers < 2 || buyers % 2 !== 0 || !Number.isInteger(seconds) || seconds < 1) {
    throw new DdmError(
      'usage',
      `--buyers ${sizes.buyers} --seconds ${sizes.seconds}: give an even number, and whole seconds`
    )
  }
  const directory = await mkdtemp(join(tmpdir(), 'ddm-bench-'))
  const closers: Array<() => Promise<unknown>> = [() => rm(directory, { recursive: true, force: true })]
  try {
    const { seller, profile } = await startMarket(directory, closers, HEAP)
    const wallets = await fundWallets(profile, buyers)
    const halves = await startBuyers(directory, profile, buyers, closers)
    const raw = await measureRaw(halves, seconds, closers)
    // New instances: the raw run has left nothing behind in them.
    await startHalves(halves, buyers)
    const paid = await measurePaid(seller, halves, wallets, seconds)
    const row = {
      bench: 'fanout',
      nodeOptions: HEAP.join(' '),
      buyers,
      seconds,
      recordsPerSecond: 1,
      recordBytes: RECORD_BYTES,
      k: K,
      openSeconds: Number(paid.openSeconds.toFixed(1)),
      cpuMicroseconds: Number((paid.cpu / (buyers * seconds)).toFixed(1)),
      rawCpuMicroseconds: Number((raw.cpu / (buyers * seconds)).toFixed(1)),
      ratio: Number((paid.cpu / raw.cpu).toFixed(2)),
      sellerRssMb: Math.round(paid.rss / 1e6),
      rawRssMb: Math.round(raw.rss / 1e6),
      latencyMs: { p50: paid.p50, p99: paid.p99 },
      lost: buyers * seconds - paid.records,
      unpaid: (UNIT * BigInt(buyers * seconds) - paid.credited).toString()
    }
    process.stdout.write(json ? `${JSON.stringify(row)}\n` : text(row))
    if (row.lost !== 0 || row.unpaid !== '0') throw new Error(`${row.lost} records lost, ${row.unpaid} unpaid`)
    if (paid.rss > MAX_RSS) throw new Error(`the seller took ${row.sellerRssMb} MB`)
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

/** As many keys, each with the tokens that its purchase costs. */
async function fundWallets(profile: NetworkProfile, count: number): Promise<Hex[]> {
  const eip712 = await createEip712()
  const [, funder] = await devAccounts(2)
  if (funder === undefined) throw new Error('no dev account')
  const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: console.error }
  const wallet = { account: funder.address, privateKey: funder.privateKey }
  const chain = await connectChain({ profile, wallet, logger })
  const digest = new Uint8Array(32)
  try {
    const keys = Array.from({ length: count }, () => randomBytes(32))
    for (let at = 0; at < count; at += 50) {
      await Promise.all(
        keys.slice(at, at + 50).map(async (key) => {
          const address = eip712.recover(digest, eip712.sign(digest, key))
          if (address !== undefined) await chain.faucet?.(address, { native: 0n, token: parseUnits('10', 6) })
        })
      )
    }
    return keys.map((key): Hex => `0x${key.toString('hex')}`)
  } finally {
    await chain.close()
  }
}

async function startBuyers(
  directory: string,
  profile: NetworkProfile,
  count: number,
  closers: Array<() => Promise<unknown>>
): Promise<Peer[]> {
  const file = join(directory, 'buyers.json')
  await writeProfile(file, profile)
  const halves = []
  for (const name of ['first', 'second']) {
    await mkdir(join(directory, name))
    const half = startPeer('./fanout-buyer-peer.ts', [join(directory, name), file])
    closers.push(() => half.stop())
    halves.push(half)
  }
  await startHalves(halves, count)
  return halves
}

async function startHalves(halves: readonly Peer[], count: number): Promise<void> {
  await Promise.all(halves.map((half) => half.ask({ type: 'start', count: count / halves.length })))
}

async function measureRaw(
  halves: readonly Peer[],
  seconds: number,
  closers: Array<() => Promise<unknown>>
): Promise<{ cpu: number; rss: number }> {
  const sender = startPeer('./fanout-raw-peer.ts')
  closers.push(() => sender.stop())
  const [address] = await sender.ask<string[]>({ type: 'addresses' })
  const bytes = seconds * (4 + RECORD_BYTES)
  await Promise.all(halves.map((half) => half.ask({ type: 'receive', address, bytes })))
  const cost = await sender.ask<{ cpu: number; rss: number }>({
    type: 'feed',
    records: seconds,
    recordBytes: RECORD_BYTES
  })
  await Promise.all(halves.map((half) => half.ask({ type: 'finish' })))
  return cost
}

async function measurePaid(seller: Peer, halves: readonly Peer[], wallets: readonly Hex[], seconds: number) {
  const { addresses } = await seller.ask<{ addresses: string[] }>({ type: 'ready' })
  const maximum = UNIT * BigInt(seconds)
  const what = { title: 'fan-out', price: PRICE, records: seconds, recordBytes: RECORD_BYTES, credit: maximum }
  const listing = await seller.ask<Listing>({ type: 'sellLive', ...what })
  const start = performance.now()
  const share = wallets.length / halves.length
  await Promise.all(
    halves.map((half, index) =>
      half.ask({
        type: 'buy',
        address: addresses[0],
        listing,
        wallets: wallets.slice(index * share, (index + 1) * share),
        records: seconds,
        k: K,
        maximum
      })
    )
  )
  const openSeconds = (performance.now() - start) / 1000
  await seller.ask({ type: 'feed' })
  const totals = await Promise.all(halves.map((half) => half.ask<Totals>({ type: 'finish' })))
  const { cpu, rss } = await seller.ask<{ cpu: number; rss: number }>({ type: 'cost' })
  const latencies = totals.flatMap(({ latencies }) => latencies).sort((a, b) => a - b)
  const quantile = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? 0
  return {
    cpu,
    rss,
    openSeconds,
    records: totals.reduce((sum, { records }) => sum + records, 0),
    credited: totals.reduce((sum, { credited }) => sum + credited, 0n),
    p50: quantile(0.5),
    p99: quantile(0.99)
  }
}

function text(row: Record<string, unknown>): string {
  return `${Object.entries(row)
    .map(([name, value]) => `${name.padEnd(22)}${JSON.stringify(value)}`)
    .join('\n')}\n`
}
