import Type from 'typebox'
import { AddressText, HexText, Integer, OneOf } from './common.ts'

export const ChannelSchema = Type.Object({
  channelId: HexText,
  role: OneOf('payer', 'payee'),
  counterparty: Type.String(),
  balance: Integer,
  unconfirmed: Integer,
  paid: Integer,
  claimed: Integer,
  unclaimed: Integer,
  unspent: Integer,
  ahead: Integer,
  pendingWithdrawal: Integer,
  finalizeAfter: Integer
})

export const WithdrawalSchema = Type.Object({ amount: Integer, finalizeAfter: Integer, transaction: HexText })

export const MovedSchema = Type.Object({ amount: Integer, transaction: HexText })

export const RefundSchema = Type.Object({ amount: Integer, transaction: Type.Optional(HexText) })

export const ClaimSchema = Type.Object({
  claimed: Integer,
  transactions: Type.Array(HexText),
  rejected: Type.Array(Type.Object({ channelId: HexText, reason: Type.String() }))
})

const Spent = Type.Object({ hour: Integer, day: Integer })

export const WalletSchema = Type.Object({
  account: AddressText,
  frozen: Type.Boolean(),
  native: Integer,
  token: Integer,
  symbol: Type.String(),
  decimals: Type.Number(),
  spent: Spent,
  budget: Type.Object({
    perRecord: Integer,
    perSession: Integer,
    perSeller: Integer,
    perHour: Integer,
    perDay: Integer,
    deposit: Integer,
    sellers: Type.Array(Type.String())
  }),
  maxWithdrawDelay: Type.Number({ description: 'ms' }),
  iota: Type.Optional(Type.Object({ account: HexText, balance: Integer, spent: Spent }))
})

export const BalanceSchema = Type.Object({
  native: Integer,
  token: Integer,
  symbol: Type.String(),
  decimals: Type.Number()
})

export const ArrivedSchema = Type.Array(Type.Object({ transaction: Type.String(), amount: Integer }))

const cap = (what: string) =>
  Type.Optional(Type.String({ pattern: '^[0-9]{1,60}([.][0-9]{1,30})?$', description: `${what}; whole tokens` }))

export const BudgetChangeSchema = Type.Object(
  {
    perRecord: cap('highest price of one record'),
    perSession: cap('most that one purchase may cost'),
    perSeller: cap('most that one seller may get in a day'),
    perHour: cap('most that may be spent in an hour'),
    perDay: cap('most that may be spent in a day'),
    deposit: cap('most that is deposited with one seller'),
    sellers: Type.Optional(Type.Array(Type.String({ maxLength: 100 }), { maxItems: 1000 }))
  },
  { additionalProperties: false, minProperties: 1 }
)
