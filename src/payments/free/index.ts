import {
  DdmError,
  type ListingPayment,
  type Payee,
  type PayeeSession,
  type Payer,
  type PayerSession,
  type PaymentPayload,
  type PaymentTerms
} from '../../interface/index.ts'

/** The rail of what costs nothing: no channel, no voucher, the same life of a session. */

export function freePayer(): Payer {
  const session: PayerSession = {
    order: { rail: 'free' },
    paid: 0n,
    payload: undefined,
    begin: async () => {},
    accept: async () => {},
    pay: async () => undefined,
    suspend: async () => {},
    end: async () => {}
  }
  return {
    rail: 'free',
    capabilities: () => [{ rail: 'free' }],
    objection: ({ price }) => (price.amount === 0n ? undefined : `the free rail cannot pay ${price.amount}`),
    open: async () => session,
    resume: async () => session
  }
}

export function freePayee(): Payee {
  const session: PayeeSession = {
    base: undefined,
    proof: undefined,
    credited: 0n,
    covered: 0n,
    available: () => undefined,
    begin: async () => {},
    verify: problem,
    credit: async (sessionPaid, payload) => {
      const reason = problem(sessionPaid, payload)
      if (reason !== undefined) throw new DdmError('paymentInvalid', reason)
    },
    suspend: async () => {},
    end: async () => undefined
  }
  return {
    rail: 'free',
    terms: ({ rail, price }: ListingPayment): PaymentTerms | undefined => {
      if (rail !== 'free' || price.amount !== '0') return undefined
      return { rail, price: { amount: 0n, count: BigInt(price.count), unit: price.unit } }
    },
    accept: async () => session,
    resume: async () => session,
    claim: async () => ({ claimed: 0n, transactions: [], rejected: [] })
  }
}

function problem(sessionPaid: bigint, payload: PaymentPayload | undefined): string | undefined {
  if (sessionPaid !== 0n) return `nothing is due, yet ${sessionPaid} was paid`
  return payload === undefined ? undefined : 'a payment on the free rail carries no voucher'
}
