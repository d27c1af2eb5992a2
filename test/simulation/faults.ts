import { FAULT_POINTS, type FaultPoint } from '../../src/interface/index.ts'

/** A withdrawal matures when all faults are over, and no channel here is topped up: `npm run chaos` kills at these. */
const NOT_HERE: readonly FaultPoint[] = ['topUp.stored', 'withdrawal.finishing', 'withdrawal.finished']

/** How likely who passes a point dies there, at full intensity; more where few pass. */
const CHANCES: Partial<Record<FaultPoint, number>> = {
  'claim.sending': 0.1,
  'claim.mined': 0.2,
  'refund.stored': 0.2,
  'refund.mined': 0.2,
  'withdrawal.sending': 0.6,
  'withdrawal.mined': 0.6
}

export function killChance(point: FaultPoint): number {
  return CHANCES[point] ?? 0.02
}

const FAILURES = [
  'crashSeller',
  'crashBuyer',
  'cut',
  'halfOpen',
  'lostWrites',
  'lostFileTail',
  'silentChain',
  'lag',
  'reorg',
  'orphanedDeposit',
  'orphanedTransaction'
] as const

/** Everything that goes wrong in a run; a large number of runs has each of them. */
export type Fault = (typeof FAILURES)[number] | `kill at ${FaultPoint}`

export const FAULTS: readonly Fault[] = [
  ...FAILURES,
  ...FAULT_POINTS.filter((point) => !NOT_HERE.includes(point)).map((point) => `kill at ${point}` as const)
]
