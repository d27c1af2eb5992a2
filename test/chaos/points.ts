import { FAULT_POINTS, type FaultPoint } from '../../src/interface/index.ts'
import type { Random } from '../simulation/random.ts'

export type Role = 'buyer' | 'seller'

/** A process is to die at the `passing`-th time that it passes a point. */
export interface Kill {
  point: FaultPoint
  /** undefined: of whoever died last, who is starting again. */
  role: Role | undefined
  passing: number
}

/**
 * When in a purchase a point is passed. `again`: only after something has died. `short`: only after the buyer has died, and has
 * asked its deposit back before it goes on. `return`: what is left of a deposit goes back.
 */
type Stage = 'start' | 'underWay' | 'again' | 'short' | 'end' | 'claim' | 'return'

const PLACES: Record<FaultPoint, { stage: Stage; roles: readonly Role[] }> = {
  'order.stored': { stage: 'start', roles: ['buyer'] },
  'accept.stored': { stage: 'start', roles: ['seller'] },
  'voucher.signing': { stage: 'underWay', roles: ['buyer'] },
  'voucher.signed': { stage: 'underWay', roles: ['buyer'] },
  'voucher.stored': { stage: 'underWay', roles: ['buyer'] },
  'payment.sent': { stage: 'underWay', roles: ['buyer'] },
  'payment.verified': { stage: 'underWay', roles: ['seller'] },
  'payment.stored': { stage: 'underWay', roles: ['seller'] },
  'invoice.stored': { stage: 'underWay', roles: ['buyer', 'seller'] },
  'position.synced': { stage: 'underWay', roles: ['buyer'] },
  'position.stored': { stage: 'underWay', roles: ['buyer'] },
  'receipt.stored': { stage: 'end', roles: ['seller'] },
  'acknowledgement.stored': { stage: 'end', roles: ['buyer'] },
  'acknowledgement.sent': { stage: 'end', roles: ['buyer'] },
  'acknowledgement.kept': { stage: 'end', roles: ['seller'] },
  'resume.sent': { stage: 'again', roles: ['buyer'] },
  'resume.verified': { stage: 'again', roles: ['seller'] },
  'recovery.opened': { stage: 'again', roles: [] },
  'deposit.sending': { stage: 'start', roles: ['seller'] },
  'deposit.mined': { stage: 'start', roles: ['seller'] },
  'topUp.stored': { stage: 'short', roles: ['buyer'] },
  'claim.sending': { stage: 'claim', roles: ['seller'] },
  'claim.mined': { stage: 'claim', roles: ['seller'] },
  'refund.stored': { stage: 'return', roles: ['seller'] },
  'refund.mined': { stage: 'return', roles: ['seller'] },
  'withdrawal.sending': { stage: 'return', roles: ['buyer'] },
  'withdrawal.mined': { stage: 'return', roles: ['buyer'] },
  'withdrawal.finishing': { stage: 'return', roles: ['buyer'] },
  'withdrawal.finished': { stage: 'return', roles: ['buyer'] }
}

/** Points that are passed with every payment are not always hit at the first. */
const LAST_PASSING = 6

export function isClaim({ point }: Kill): boolean {
  return PLACES[point].stage === 'claim'
}

export function isReturn({ point }: Kill): boolean {
  return PLACES[point].stage === 'return'
}

export function isShort({ point }: Kill): boolean {
  return PLACES[point].stage === 'short'
}

/** How often each point was hit, and what is hit next: the points that were hit least. */
export class Coverage {
  readonly hits = Object.fromEntries(FAULT_POINTS.map((point) => [point, 0])) as Record<FaultPoint, number>
  /** Planned in rounds that go on. */
  readonly #planned = new Map<FaultPoint, number>()

  hit(point: FaultPoint): void {
    this.hits[point]++
  }

  get missed(): FaultPoint[] {
    return FAULT_POINTS.filter((point) => this.hits[point] === 0)
  }

  /** The kills of one purchase, in the order in which they are armed: each when the one before has happened. */
  plan(random: Random): Kill[] {
    const chosen: FaultPoint[] = []
    const count = random.int(2, 5)
    while (chosen.length < count) {
      const stage = (name: Stage): boolean => chosen.some((point) => PLACES[point].stage === name)
      chosen.push(
        this.#least(random, (point) => {
          if (chosen.includes(point)) return false
          const one = PLACES[point].stage
          return one === 'underWay' || one === 'again' || !stage(one)
        })
      )
    }
    const of = (name: Stage): FaultPoint[] => chosen.filter((point) => PLACES[point].stage === name)
    const ordered = [...of('start'), ...shuffled(of('underWay'), random), ...of('end'), ...of('claim'), ...of('return')]
    const again = shuffled(of('again'), random)
    // Somebody has to die before anything is resumed.
    if (again.length > 0 && of('start').length + of('underWay').length === 0) {
      ordered.unshift(this.#least(random, (point) => PLACES[point].stage === 'underWay'))
    }
    for (const point of again) ordered.splice(this.#placeAfterDeath(ordered, random), 0, point)
    // As soon as records flow, so that much of the order is still to be paid.
    if (of('short').length > 0) {
      const buyers = this.#least(random, (point) => PLACES[point].stage === 'underWay' && isOnly(point, 'buyer'))
      ordered.splice(of('start').length, 0, buyers, ...of('short'))
    }
    for (const point of ordered) this.#planned.set(point, this.#plannedOf(point) + 1)
    return ordered.map((point, index) => {
      const { roles, stage } = PLACES[point]
      const role = roles.length === 0 ? undefined : random.pick(roles)
      const next = ordered[index + 1]
      const isFirst = stage !== 'underWay' || (next !== undefined && PLACES[next].stage === 'short')
      return { point, role, passing: isFirst ? 1 : random.int(1, LAST_PASSING) }
    })
  }

  /** The round of a plan is over, whatever came of it. */
  release(plan: readonly Kill[]): void {
    for (const { point } of plan) this.#planned.set(point, this.#plannedOf(point) - 1)
  }

  #placeAfterDeath(ordered: readonly FaultPoint[], random: Random): number {
    const places = ordered.flatMap((point, index) =>
      ['start', 'underWay', 'again'].includes(PLACES[point].stage) || point === 'receipt.stored' ? [index + 1] : []
    )
    return random.pick(places)
  }

  #plannedOf(point: FaultPoint): number {
    return this.#planned.get(point) ?? 0
  }

  #least(random: Random, allowed: (point: FaultPoint) => boolean): FaultPoint {
    const points = FAULT_POINTS.filter(allowed)
    const weight = (point: FaultPoint): number => this.hits[point] + this.#plannedOf(point)
    const least = Math.min(...points.map(weight))
    return random.pick(points.filter((point) => weight(point) === least))
  }
}

function isOnly(point: FaultPoint, role: Role): boolean {
  return PLACES[point].roles.every((one) => one === role)
}

function shuffled<T>(values: readonly T[], random: Random): T[] {
  const rest = [...values]
  const out: T[] = []
  while (rest.length > 0) out.push(...rest.splice(random.int(0, rest.length - 1), 1))
  return out
}
