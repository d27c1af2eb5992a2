import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPeer } from './child.ts'
import { type Market, startMarket } from './market.ts'

/** Two processes on loopback: records per second of a paid session beside a raw libp2p stream in the same run. */
const RECORD_BYTES = 200
const PRICE = '0.0001'
/** Atomic units per record at that price. */
const UNIT = 100n
/**
 * Records that credit and prepay cover: wide enough that the figures show the work and not the waiting. One listing per
 * width, because credit is a property of what is sold.
 */
const WIDTHS = [
  {
    window: 10_000n,
    runs: [
      { k: 1, records: 20_000 },
      { k: 10, records: 100_000 }
    ]
  },
  {
    window: 100_000n,
    runs: [
      { k: 100, records: 500_000 },
      { k: 1000, records: 1_000_000 }
    ]
  }
]
const MODES = [
  { mode: 'strict', invoicing: 'strict', answering: 'every' },
  { mode: 'adaptive', invoicing: 'adaptive', answering: 'newest' }
] as const

interface Bought {
  recordsPerSecond: number
  invoices: number
  vouchers: number
  due: bigint
  credited: bigint
  busy: number
}

export async function run(arguments_: string[]): Promise<void> {
  const json = arguments_.includes('--json')
  const only = arguments_.find((word) => word.startsWith('--k='))?.slice(4)
  const directory = await mkdtemp(join(tmpdir(), 'ddm-bench-'))
  const closers: Array<() => Promise<unknown>> = [() => rm(directory, { recursive: true, force: true })]
  try {
    const { seller, buyer } = await startMarket(directory, closers)
    const reference = startReference(closers)
    for (let i = 0; i < 3; i++) await reference(1_000_000)
    if (!json) process.stdout.write(header())
    for (const { mode, invoicing, answering } of MODES) {
      for (const { window, runs } of WIDTHS) {
        const wanted = runs.filter(({ k }) => only === undefined || only === `${k}`)
        if (wanted.length === 0) continue
        const credit = UNIT * window
        const longest = Math.max(...wanted.map(({ records }) => records))
        const what = { records: longest, recordBytes: RECORD_BYTES, invoicing, credit, price: PRICE }
        const { listing } = await seller.ask<{ listing: string }>({ type: 'sell', title: `${mode} ${window}`, ...what })
        // Warm up: neither side's first run is measured.
        await buyer.ask({ type: 'buy', listing, records: 10_000, k: wanted[0]?.k ?? 1, answering, prepay: credit })
        for (const { k, records } of wanted) {
          const order = { type: 'buy', listing, records, k, answering, prepay: credit }
          const row = await measure({ seller, buyer, reference }, order, mode)
          process.stdout.write(json ? `${JSON.stringify(row)}\n` : line(row))
        }
      }
    }
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

type Row = Record<string, string | number>

async function measure(
  { seller, buyer, reference }: Pick<Market, 'seller' | 'buyer'> & { reference: (records: number) => Promise<number> },
  order: { type: string; listing: string; records: number; k: number; answering: string; prepay: bigint },
  mode: string
): Promise<Row> {
  const references = []
  for (let i = 0; i < 3; i++) references.push(await reference(1_000_000))
  const referencePerSecond = references.sort((a, b) => a - b)[1] ?? 0
  await seller.ask({ type: 'mark' })
  const bought = await buyer.ask<Bought>(order)
  const owed = UNIT * BigInt(order.records)
  if (bought.due !== owed || bought.credited !== owed) {
    throw new Error(`k = ${order.k}: ${owed} owed, due ${bought.due}, credited ${bought.credited}`)
  }
  const { rss, busy } = await seller.ask<{ rss: number; busy: number }>({ type: 'usage' })
  return {
    bench: 'stream',
    mode,
    k: order.k,
    recordsPerSecond: Math.round(bought.recordsPerSecond),
    referencePerSecond: Math.round(referencePerSecond),
    ratio: Number((bought.recordsPerSecond / referencePerSecond).toFixed(3)),
    invoices: bought.invoices,
    vouchers: bought.vouchers,
    credit: order.prepay.toString(),
    prepay: order.prepay.toString(),
    rssMb: Math.round(rss / 1e6),
    sellerBusy: Number(busy.toFixed(2)),
    buyerBusy: Number(bought.busy.toFixed(2))
  }
}

/** Measures the raw stream between two processes of its own. */
function startReference(closers: Array<() => Promise<unknown>>): (records: number) => Promise<number> {
  const sender = startPeer('./raw-peer.ts')
  const receiver = startPeer('./raw-peer.ts')
  closers.push(
    () => sender.stop(),
    () => receiver.stop()
  )
  return async (records) => {
    const [address] = await sender.ask<string[]>({ type: 'addresses' })
    const size = { records, recordBytes: RECORD_BYTES }
    await sender.ask({ type: 'prepare', ...size })
    const { recordsPerSecond } = await receiver.ask<{ recordsPerSecond: number }>({ type: 'receive', address, ...size })
    return recordsPerSecond
  }
}

function header(): string {
  return `${'mode'.padEnd(10)}${'k'.padStart(6)}${'records/s'.padStart(12)}${'raw stream/s'.padStart(14)}${'ratio'.padStart(8)}${'invoices'.padStart(10)}${'vouchers'.padStart(10)}${'RSS MB'.padStart(8)}${'seller busy'.padStart(13)}${'buyer busy'.padStart(12)}\n`
}

function line(row: Row): string {
  const cells = [
    row.k,
    row.recordsPerSecond,
    row.referencePerSecond,
    row.ratio,
    row.invoices,
    row.vouchers,
    row.rssMb,
    row.sellerBusy,
    row.buyerBusy
  ]
  const widths = [6, 12, 14, 8, 10, 10, 8, 13, 12]
  return `${String(row.mode).padEnd(10)}${cells.map((cell, i) => String(cell).padStart(widths[i] ?? 8)).join('')}\n`
}
