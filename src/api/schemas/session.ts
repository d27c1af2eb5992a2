import Type from 'typebox'
import { Bytes, HexText, Integer, Maybe, OneOf, Rail, Role } from './common.ts'

export const SellingSchema = Type.Object({
  id: Maybe(Type.String()),
  buyer: Type.String(),
  listing: Maybe(Type.String()),
  phase: Type.String(),
  rail: Maybe(Rail),
  sent: Integer,
  due: Integer,
  credited: Integer,
  refund: Maybe(HexText)
})

const CheckpointSchema = Type.Object({ position: Integer, root: Bytes, records: Integer, bytes: Integer })

export const SessionSchema = Type.Object({
  id: Type.String(),
  role: Role,
  listingId: HexText,
  listingCid: Type.String(),
  peer: Type.String(),
  state: Type.String(),
  rail: Rail,
  channelId: Type.Optional(HexText),
  start: Integer,
  position: Integer,
  checkpoint: CheckpointSchema,
  sink: Type.Optional(Type.String()),
  due: Integer,
  paid: Integer,
  credit: Integer,
  needed: Type.Optional(Integer),
  limit: Type.Optional(Integer),
  openedAt: Type.Number({ description: 'Unix ms' }),
  updatedAt: Type.Number({ description: 'Unix ms' })
})

export const ExposureSchema = Type.Object({
  window: Integer,
  pending: Integer,
  unclaimed: Integer,
  unconfirmed: Integer,
  locked: Integer,
  withdrawDelay: Type.Optional(Type.Number({ description: 'seconds' })),
  bound: Integer
})

export const TotalExposureSchema = Type.Object({
  role: Role,
  rail: Rail,
  window: Integer,
  unclaimed: Integer,
  unconfirmed: Integer,
  locked: Integer,
  bound: Integer
})

export const StatementSchema = Type.Object({
  cid: Type.String(),
  kind: Type.String(),
  issuer: Type.String({ description: 'peer ID of the signer' }),
  content: Type.Record(Type.String(), Type.Unknown(), {
    description: 'fields of the statement (docs/specs/sdpp.md); bytes in hex, integers as decimal digits'
  })
})

export const MoveSchema = Type.Object({
  kind: OneOf('deposit', 'claim', 'refund', 'withdrawal', 'payment'),
  amount: Integer,
  transaction: Type.String(),
  at: Type.Number({ description: 'Unix ms' })
})

export const ReceiptSchema = Type.Object({
  session: Type.String(),
  role: Role,
  rail: Rail,
  listing: HexText,
  peer: Type.String(),
  records: Integer,
  due: Integer,
  paid: Integer,
  state: Type.String(),
  at: Type.Number({ description: 'Unix ms' })
})

export const BundleSchema = Type.Object({
  bundle: Type.String({ contentEncoding: 'base64', description: 'CAR file that verifies offline' }),
  unproven: Type.Optional(Type.String()),
  disputed: Type.Optional(Type.String())
})

export const SessionEventSchema = Type.Object({
  selling: Type.Array(SellingSchema),
  purchases: Type.Array(Type.Unknown({ description: 'as GET /v1/purchases gives them' }))
})

export const StateFilter = Type.Object({
  role: Type.Optional(Role),
  state: Type.Optional(Type.String({ maxLength: 40 }))
})

export const RoleFilter = Type.Object({ role: Type.Optional(OneOf('buyer', 'seller')) })
