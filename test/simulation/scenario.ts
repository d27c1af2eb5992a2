import type { Listing, Price } from '../../src/interface/index.ts'
import { statementLink } from '../../src/statements/index.ts'
import { TOKEN } from './chain.ts'
import type { Random } from './random.ts'

const BUYERS = [
  'stopPaying',
  'replayVoucher',
  'forgeVoucher',
  'lieInResume',
  'wrongRootInResume',
  'resumeWhileOrdering',
  'manyPeers',
  'withdrawAndRun',
  'ownRefunds',
  'takeBack'
] as const
const SELLERS = [
  'stopDelivering',
  'wrongRoot',
  'equivocate',
  'forgetPayments',
  'keepAdvance',
  'swallowUnused',
  'replayFrames'
] as const
export const ADVERSARIES = [...BUYERS, ...SELLERS]
export type Adversary = (typeof ADVERSARIES)[number]

const OF_SELLERS: readonly Adversary[] = SELLERS

export function isSellers(adversary: Adversary | undefined): boolean {
  return adversary !== undefined && OF_SELLERS.includes(adversary)
}

/** What a seed decides before anything happens. */
export interface Scenario {
  adversary: Adversary | undefined
  price: Price
  free: { from: number; to: number } | undefined
  records: Uint8Array[]
  /** Records of the log when the sale begins; the others come while it runs. */
  present: number
  credit: bigint
  creditForAll: boolean
  strangerCredit: bigint
  invoicing: 'strict' | 'adaptive'
  k: { min: bigint; default: bigint; max: bigint }
  withdrawDelay: number
  buyers: BuyerPlan[]
  /** After this nothing fails any more, and whoever is honest comes to an end. */
  faultsUntil: number
  intensity: number
}

export interface BuyerPlan {
  /** Of the pool of identities; adversaries with many peer IDs share an account. */
  peer: number
  account: number
  honest: boolean
  purchases: Purchase[]
}

export interface Purchase {
  from: bigint | undefined
  quantity: bigint | undefined
  k: bigint | undefined
  maximum: bigint
  prepay: bigint
  prepayForAll: boolean
  /** Leaves after so many records. */
  stopAfter: number | undefined
  /** Offset of a record that the buyer's validator rejects. */
  badAt: number | undefined
  refund: boolean
  /** Buys a listing that the seller does not have. */
  unknown: boolean
  asksMenu: boolean
  /** Virtual ms from its turn. */
  delay: number
  answering: 'every' | 'newest'
}

export function makeScenario(random: Random): Scenario {
  const adversary = random.chance(0.4) ? random.pick(ADVERSARIES) : undefined
  const perKiB = random.chance(0.2)
  const amount = BigInt(random.int(1, 40))
  const count = BigInt(random.chance(0.7) ? 1 : random.int(2, 7))
  const price: Price = { amount: perKiB ? amount * 20n : amount, count, unit: perKiB ? 'KiB' : 'record' }
  const total = random.int(3, 28)
  const records = Array.from({ length: total }, (_, index) => {
    const size = random.chance(0.9) ? random.int(4, 60) : random.int(100, 700)
    const bytes = random.bytes(size)
    new DataView(bytes.buffer).setUint32(0, index)
    return bytes
  })
  const creditForAll = random.chance(0.4)
  const credit = amount * BigInt(random.int(1, 8)) * (perKiB ? 20n : 1n)
  const free = random.chance(0.25) ? { from: random.int(0, 4), to: random.int(5, 9) } : undefined
  const scenario: Scenario = {
    adversary,
    price,
    free,
    records,
    present: random.chance(0.5) ? total : random.int(0, total),
    credit: creditForAll ? credit : credit * 20n,
    creditForAll,
    strangerCredit: amount * (perKiB ? 20n : 1n) * BigInt(random.int(1, 6)),
    invoicing: random.pick(['strict', 'adaptive']),
    k: { min: 1n, default: BigInt(random.int(1, 6)), max: 50n },
    withdrawDelay: 3_600,
    buyers: [],
    faultsUntil: 240_000,
    intensity: random.pick([0, 0.3, 0.6, 1])
  }
  const honest = random.pick(adversary === undefined ? [1, 1, 2, 3] : [1, 1, 2])
  const crooks = adversary === undefined || isSellers(adversary) ? 0 : adversary === 'manyPeers' ? 4 : 1
  for (let index = 0; index < honest; index++) {
    scenario.buyers.push({
      peer: 1 + index,
      account: 0x10 + index,
      honest: true,
      purchases: Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, () => makePurchase(random, scenario))
    })
  }
  for (let index = 0; index < crooks; index++) {
    scenario.buyers.push({
      peer: 5 + index,
      account: 0x30,
      honest: false,
      purchases: Array.from({ length: random.pick([1, 1, 2, 3]) }, () => ({
        ...makePurchase(random, scenario),
        asksMenu: false,
        unknown: false,
        badAt: undefined,
        refund: false
      }))
    })
  }
  return scenario
}

function makePurchase(random: Random, { price, records, k }: Scenario): Purchase {
  const total = records.length
  const bytes = records.reduce((sum, record) => sum + record.length, 0)
  const whole =
    price.unit === 'record'
      ? (BigInt(total) * price.amount) / price.count
      : (BigInt(bytes) * price.amount) / (price.count * 1024n)
  const one = price.amount / price.count + 1n
  const stopAfter = random.chance(0.2) ? random.int(1, total) : undefined
  // The records on their way when the buyer leaves may break the schema too.
  const badAt = random.chance(stopAfter === undefined ? 0.1 : 0.3) ? random.int(stopAfter ?? 0, total) : undefined
  const maximum = random.chance(0.8) ? whole + 2n * price.amount + 10n : whole / 2n + price.amount
  return {
    from: random.chance(0.6) ? undefined : BigInt(random.int(0, Math.floor(total / 2))),
    quantity: random.chance(0.5) ? undefined : BigInt(random.int(1, total)),
    k: random.chance(0.5) ? undefined : BigInt(random.int(1, Number(k.default) * 2)),
    maximum,
    prepay: one * BigInt(random.int(1, 8)) + (price.unit === 'KiB' ? price.amount : 0n),
    prepayForAll: random.chance(0.5),
    stopAfter,
    badAt,
    refund: random.chance(0.15),
    unknown: random.chance(0.03),
    asksMenu: random.chance(0.1),
    delay: random.int(0, 3_000),
    answering: random.pick(['every', 'newest'])
  }
}

export const NETWORK_ID = 'eip155:1'
export const ASSET_ID = `eip155:1/erc20:${TOKEN}` as const

export function makeListing(scenario: Scenario, seller: string, payTo: `0x${string}`): Listing {
  const { price, free } = scenario
  const document: Listing['document'] = {
    v: 1,
    id: `0x${'ab'.repeat(32)}`,
    title: 'Simulated records',
    description: 'Records of a simulation',
    seller: { peerId: seller },
    schema: { encoding: 'bytes', maxRecordBytes: 1024 },
    payment: [
      {
        rail: 'evm',
        network: NETWORK_ID,
        asset: ASSET_ID,
        payTo,
        price: { amount: price.amount.toString(), count: Number(price.count), unit: price.unit }
      }
    ],
    ...(free === undefined ? {} : { freeRange: free }),
    issuedAt: '2026-01-01T00:00:00Z'
  }
  return {
    id: document.id,
    version: 1,
    cid: statementLink(new TextEncoder().encode(JSON.stringify(document))).toString(),
    status: 'active',
    trust: 'confirmed',
    account: payTo,
    peerId: seller,
    document,
    updatedAt: 0
  }
}
