import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Market, startMarket } from './market.ts'
import { brokerRounds } from './peers/brokers.ts'
import { x402Rounds } from './peers/x402.ts'

/**
 * npm run bench -- peers [--small] [--json]: the same 200-byte records from one process to another over DDM, paid, over two
 * brokers, unpaid, and over HTTP with a payment for each request. Contenders take turns; medians.
 */
export const RECORD_BYTES = 200
const PRICE = '0.0001'
/** Atomic units per record at that price. */
const UNIT = 100n
/** Credit and prepay that show the work and not the waiting, as in the bench `stream`. */
const WINDOW = 100_000n

/** What a contender needs for its turns; a figure is records per second at the receiver. */
export interface Contender {
  name: string
  paid: 'every record' | 'yes' | 'no'
  records: number
  round: (records: number) => Promise<number>
}

interface Size {
  rounds: number
  streamed: number
  requested: number
}

const SIZE: Size = { rounds: 3, streamed: 500_000, requested: 300 }
const SMALL: Size = { rounds: 1, streamed: 2_000, requested: 16 }

const AIMS = [
  { of: 'DDM', over: 'mosquitto QoS 0', times: 5 },
  { of: 'DDM', over: 'x402 exact, one by one', times: 100 }
]

export async function run(arguments_: string[]): Promise<void> {
  const json = arguments_.includes('--json')
  const size = arguments_.includes('--small') ? SMALL : SIZE
  const directory = await mkdtemp(join(tmpdir(), 'ddm-peers-'))
  const closers: Array<() => unknown> = [() => rm(directory, { recursive: true, force: true })]
  const say = (text: string): void => {
    process.stderr.write(`${text}\n`)
  }
  try {
    const market = await startMarket(directory, closers as Array<() => Promise<unknown>>)
    const contenders = [
      await ddm(market, size, 'adaptive'),
      await ddm(market, { ...size, streamed: Math.ceil(size.streamed / 5) }, 'strict'),
      ...(await brokerRounds(size.streamed, closers, say)),
      ...(await x402Rounds(market.profile, size.requested, closers))
    ]
    const figures = await takeTurns(contenders, size.rounds)
    report(contenders, figures, { json, rounds: size.rounds })
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

/** Adaptive: only the newest invoice is answered while a payment is being stored; strict: every one. */
async function ddm(
  { seller, buyer }: Market,
  { streamed }: Size,
  invoicing: 'adaptive' | 'strict'
): Promise<Contender> {
  const credit = UNIT * WINDOW
  const what = { records: streamed, recordBytes: RECORD_BYTES, invoicing, credit, price: PRICE }
  const { listing } = await seller.ask<{ listing: string }>({ type: 'sell', title: `Peers ${invoicing}`, ...what })
  return {
    name: invoicing === 'adaptive' ? 'DDM' : 'DDM, each 100 paid',
    paid: 'yes',
    records: streamed,
    round: async (records) => {
      const order = {
        type: 'buy',
        listing,
        records,
        k: 100,
        answering: invoicing === 'adaptive' ? 'newest' : 'every',
        prepay: credit
      }
      const bought = await buyer.ask<{ records: number; recordsPerSecond: number; due: bigint; credited: bigint }>(
        order
      )
      const owed = UNIT * BigInt(records)
      if (bought.records !== records || bought.due !== owed || bought.credited !== owed) {
        throw new Error(`DDM: ${owed} owed for ${records} records; ${bought.records} came, credited ${bought.credited}`)
      }
      return bought.recordsPerSecond
    }
  }
}

/** One round of each, again and again, so that what else the machine does hits all alike. The first is not measured. */
async function takeTurns(contenders: readonly Contender[], rounds: number): Promise<Map<string, number>> {
  const all = new Map<string, number[]>(contenders.map(({ name }) => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const { name, records, round: measure } of contenders) {
      const figure = await measure(round === 0 ? Math.ceil(records / 10) : records)
      if (round > 0) all.get(name)?.push(figure)
    }
  }
  return new Map([...all].map(([name, figures]) => [name, figures.sort((a, b) => a - b)[figures.length >> 1] ?? 0]))
}

function report(
  contenders: readonly Contender[],
  figures: ReadonlyMap<string, number>,
  { json, rounds }: { json: boolean; rounds: number }
): void {
  const own = figures.get('DDM') ?? 0
  if (!json) {
    process.stdout.write(
      `${RECORD_BYTES}-byte records, two processes each, medians of ${rounds} round(s) in turns after one to warm up; DDM: k = 100, adaptive,\n` +
        `credit and prepay of ${WINDOW} records, timed to the last record, every payment signed, verified and durable\n`
    )
  }
  if (!json) process.stdout.write(`${'contender'.padEnd(26)}${'paid'.padEnd(14)}${'records/s'.padStart(12)}  DDM is\n`)
  for (const { name, paid, records } of contenders) {
    const perSecond = figures.get(name) ?? 0
    const ratio = own / perSecond
    const row = {
      bench: 'peers',
      contender: name,
      paid,
      records,
      rounds,
      recordBytes: RECORD_BYTES,
      recordsPerSecond: Math.round(perSecond),
      ratio: Number(ratio.toFixed(2))
    }
    process.stdout.write(
      json
        ? `${JSON.stringify(row)}\n`
        : `${name.padEnd(26)}${paid.padEnd(14)}${String(row.recordsPerSecond).padStart(12)}  ${ratio.toFixed(1)} ×\n`
    )
  }
  for (const { of, over, times } of AIMS) {
    const reference = figures.get(over)
    if (reference === undefined) continue
    const ratio = (figures.get(of) ?? 0) / reference
    const met = ratio >= times
    process.stdout.write(
      json
        ? `${JSON.stringify({ bench: 'peers', aim: `${of} ≥ ${times} × ${over}`, ratio: Number(ratio.toFixed(2)), met })}\n`
        : `aim: ${of} at ${times} × ${over}: ${ratio.toFixed(1)} ×, ${met ? 'met' : 'missed'}\n`
    )
  }
}
