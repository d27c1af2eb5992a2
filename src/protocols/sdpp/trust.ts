import type { Grant, Standing, TrustRecord, TrustRequest } from '../../interface/index.ts'

/**
 * How much may be risked with whom (docs/specs/sdpp.md, Money: Trust). Pure: the same arithmetic for a seller's credit and
 * a buyer's prepay.
 */

/** Credit is this part of what was settled: an eventual default costs less than the deals before it earned. */
export const GROWTH_PERCENT = 5n

/** More time-outs change nothing: a thousandth of the credit is left. */
export const MAX_HALVINGS = 10

export const NO_RECORD: TrustRecord = { settled: 0n, halvings: 0, halvedAt: 0n, forgiveness: 1n }

/** Without what the request's session itself has at risk, when it is taken up again. */
export interface TrustView {
  /** Of the peer and, where there is one, of the account: the smaller counts. */
  standings: readonly [Standing, ...Standing[]]
  /** What is left of the strangers' allowance of this hour. */
  allowance: bigint
  /** Owed besides by whoever asks. @default 0n */
  elsewhere?: bigint
}

export interface CreditDecision {
  credit: bigint
  /** Comes out of the strangers' allowance. */
  stranger: boolean
}

/** Halvings still in force: one is forgiven for each `forgiveness` settled since the last time-out. */
export function halvingsOf({ settled, halvings, halvedAt, forgiveness }: TrustRecord): number {
  if (halvings === 0) return 0
  const forgiven = (settled - halvedAt) / forgiveness
  return forgiven >= BigInt(halvings) ? 0 : halvings - Number(forgiven)
}

/** min(cap, 5 % of min(settled, covered)), halved for each payment time-out that is not forgiven. */
export function creditLimit(
  { settled, halvings }: Pick<Standing, 'settled' | 'halvings'>,
  { cap, covered = settled }: Pick<TrustRequest, 'cap' | 'covered'>
): bigint {
  const grown = (least(settled, covered) * GROWTH_PERCENT) / 100n
  return least(cap, grown) >> BigInt(halvings)
}

/**
 * Credit of a session. What a peer or an account owes, and what its other sessions may come to owe, is subtracted. Who has
 * nothing outstanding gets the price of one record at least, out of the allowance that all strangers of an hour share.
 * A limit set by hand is one for each session, whoever asks: only what is owed is taken off.
 *
 * @example
 * ```ts
 * const known = { settled: 10_000n, halvings: 0, debt: 0n, open: 100n }
 * creditFor({ standings: [known], allowance: 0n }, { one: 10n, cap: 1_000n }) // { credit: 400n, stranger: false }
 * ```
 */
export function creditFor(
  { standings, allowance, elsewhere = 0n }: TrustView,
  request: Pick<TrustRequest, 'one' | 'cap' | 'covered' | 'want' | 'floor'>
): CreditDecision {
  const { one, cap, want = cap, floor = 0n } = request
  const room = standings
    .map((standing) => most(creditLimit(standing, request) - standing.open, floor) - standing.debt - elsewhere)
    .reduce(least, cap)
  const grown = room > 0n ? least(room, want) : 0n
  const first = least(least(one, cap), want)
  const clean = elsewhere === 0n && standings.every(({ debt, open }) => debt === 0n && open === 0n)
  if (grown >= first || !clean || allowance < first) return { credit: grown, stranger: false }
  return { credit: first, stranger: true }
}

/**
 * A record after a session has ended. A time-out halves; a halving is forgiven when 20 times the credit of the session
 * that timed out is settled since, which is the volume that such a credit grows on. A small time-out does not make a large
 * one cheaper.
 */
export function afterSession(
  record: TrustRecord,
  { settled, timedOut }: { settled: bigint; timedOut?: Pick<Grant, 'credit' | 'debt'> | undefined }
): TrustRecord {
  const next = { ...record, settled: record.settled + settled }
  if (timedOut === undefined) return next
  const halvings = halvingsOf(next)
  const risked = (most(timedOut.credit, timedOut.debt) * 100n) / GROWTH_PERCENT
  return {
    settled: next.settled,
    halvings: Math.min(halvings + 1, MAX_HALVINGS),
    halvedAt: next.settled,
    forgiveness: most(most(risked, 1n), halvings === 0 ? 1n : record.forgiveness)
  }
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

function most(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}
