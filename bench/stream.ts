import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPeer } from './child.ts'
import { startMarket } from './market.ts'

/** Two processes on loopback: records per second of a paid session beside a raw libp2p stream in the same run. */
const RECORD_BYTES = 200
const PRICE = '0.0001'
/** Atomic units per record at that price. */
const UNIT = 100n
/** Records that credit and prepay cover: the windows are wide so that the figures show the work, not the waiting. */
const WINDOW_RECORDS = 20_000n
const RUNS = [
  { k: 1, records: 20_000 },
  { k: 10, records: 100_000 },
  { k: 100, records: 400_000 },
  { k: 1000, records: 1_000_000 }
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
}

export async function run(arguments_: string[]): Promise<void> {
  const json = arguments_.includes('--json')
  const only = arguments_.find((word) => word.startsWith('--k='))?.slice(4)
  const directory = await mkdtemp(join(tmpdir(), 'ddm-bench-'))
  const closers: Array<() => Promise<unknown>> = [() => rm(directory, { recursive: true, force: true })]
  try {
    const { seller, buyer } = await startMarket(directory, closers)
    const reference = startReference(closers)
    const longest = Math.max(...RUNS.map(({ records }) => records))
    if (!json) process.stdout.write(header())
    for (const { mode, invoicing, answering } of MODES) {
      if (process.env.BENCH_MODE !== undefined && process.env.BENCH_MODE !== mode) continue
      const credit = UNIT * WINDOW_RECORDS
      const sell = {
        type: 'sell',
        title: mode,
        price: PRICE,
        records: longest,
        recordBytes: RECORD_BYTES,
        invoicing,
        credit
      }
      const { listing } = await seller.ask<{ listing: string }>(sell)
      for (const { k, records } of RUNS) {
        if (only !== undefined && only !== `${k}`) continue
        const referencePerSecond = await reference(1_000_000)
        const bought = await buyer.ask<Bought>({ type: 'buy', listing, records, k, answering, prepay: credit })
        if (bought.due !== UNIT * BigInt(records) || bought.credited !== bought.due) {
          throw new Error(`k = ${k}: due ${bought.due}, credited ${bought.credited}`)
        }
        const rssMb = Math.round((await seller.ask<number>({ type: 'memory' })) / 1e6)
        const ratio = bought.recordsPerSecond / referencePerSecond
        const row = {
          bench: 'stream',
          mode,
          k,
          recordsPerSecond: Math.round(bought.recordsPerSecond),
          referencePerSecond: Math.round(referencePerSecond),
          ratio: Number(ratio.toFixed(3)),
          invoices: bought.invoices,
          vouchers: bought.vouchers,
          credit: credit.toString(),
          prepay: credit.toString(),
          rssMb
        }
        process.stdout.write(json ? `${JSON.stringify(row)}\n` : line(row))
      }
    }
  } finally {
    for (const close of closers.reverse()) await close()
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
  return `${'mode'.padEnd(10)}${'k'.padStart(6)}${'records/s'.padStart(12)}${'raw stream/s'.padStart(14)}${'ratio'.padStart(8)}${'invoices'.padStart(10)}${'vouchers'.padStart(10)}${'RSS MB'.padStart(8)}\n`
}

function line(row: Record<string, string | number>): string {
  const cells = [row.k, row.recordsPerSecond, row.referencePerSecond, row.ratio, row.invoices, row.vouchers, row.rssMb]
  const widths = [6, 12, 14, 8, 10, 10, 8]
  return `${String(row.mode).padEnd(10)}${cells.map((cell, i) => String(cell).padStart(widths[i] ?? 8)).join('')}\n`
}
