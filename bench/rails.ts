import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startMarket } from './market.ts'

/**
 * What a payment round takes on each rail, and 1,000 records end to end, beside the figures of the 2018 prototype. Two nodes
 * in processes of their own, ledgers on the disk, the local EVM chain and the local IOTA ledger. The window is k records, so that
 * one round follows the other.
 */
const RECORDS = 1_000
const RECORD_BYTES = 200
const GRANULARITIES = [4, 20]

/** Seconds for 1,000 records, measured in 2018 over the IOTA network of that time: about 22 s for each round. */
const IN_2018: Readonly<Record<number, number>> = { 4: 5_427, 20: 1_268 }

/** The local ledger has no network; owned objects are final on the real one in under this (its documentation). */
const FINALITY_SECONDS = 0.5

const RAILS = [
  { rail: 'free', price: '0', unit: 0n },
  { rail: 'evm', price: '0.0001', unit: 100n },
  { rail: 'iota', price: '0.001 IOTA', unit: 1_000_000n }
] as const

interface Bought {
  totalMs: number
  vouchers: number
  /** When each payment left, ms. */
  paidAt: number[]
}

export async function run(arguments_: string[]): Promise<void> {
  const json = arguments_.includes('--json')
  const directory = await mkdtemp(join(tmpdir(), 'ddm-bench-'))
  const closers: Array<() => Promise<unknown>> = [() => rm(directory, { recursive: true, force: true })]
  try {
    const { seller, buyer } = await startMarket(directory, closers, [], { iota: true })
    for (const { rail, price, unit } of RAILS) {
      for (const k of GRANULARITIES) {
        const title = `${rail} ${k}`
        const sell = {
          type: 'sell',
          title,
          price,
          credit: unit * BigInt(k),
          records: RECORDS,
          recordBytes: RECORD_BYTES
        }
        const { listing } = await seller.ask<{ listing: string }>({ ...sell, invoicing: 'strict' })
        const wish = { type: 'buy', listing, records: RECORDS, k, answering: 'every', prepay: 0n }
        show(rail, k, await buyer.ask<Bought>(wish), json)
      }
    }
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

function show(rail: string, k: number, { totalMs, vouchers: payments, paidAt }: Bought, json: boolean): void {
  const seconds = totalMs / 1000
  const rounds = paidAt.slice(1).map((at, index) => at - (paidAt[index] as number))
  const sorted = rounds.toSorted((a, b) => a - b)
  const at = (share: number): number => Number((sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(2))
  const before = IN_2018[k] as number
  const row = {
    bench: 'rails',
    rail,
    k,
    records: RECORDS,
    payments,
    seconds: Number(seconds.toFixed(2)),
    paymentsPerSecond: Number((payments / seconds).toFixed(1)),
    p50Milliseconds: at(0.5),
    p99Milliseconds: at(0.99),
    reference2018Seconds: before,
    ratio: Number((before / seconds).toFixed(1)),
    ...(rail === 'iota' ? { modelledSeconds: Number((seconds + payments * FINALITY_SECONDS).toFixed(1)) } : {})
  }
  if (json) process.stdout.write(`${JSON.stringify(row)}\n`)
  else {
    const modelled =
      'modelledSeconds' in row ? `, ${row.modelledSeconds} s with ${FINALITY_SECONDS} s finality (modelled)` : ''
    const round = payments === 0 ? '' : `; round p50 ${row.p50Milliseconds} ms, p99 ${row.p99Milliseconds} ms`
    process.stdout.write(
      `${rail} k=${k}: ${row.seconds} s, ${payments} payments (${row.paymentsPerSecond}/s)${round}${modelled}; 2018: ${before} s (${row.ratio} ×)\n`
    )
  }
}
