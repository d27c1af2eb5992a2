import Type from 'typebox'
import { HexText, Integer, Maybe, Money, Name, OneOf } from './common.ts'
import { BuyOptionsSchema, OutcomeSchema, ProblemSchema, QualitySchema } from './purchase.ts'

const Limit = Type.Optional(Type.Number({ minimum: 0 }))

const { rail, records, from, maxPrice, k, prepay, resumeFor, checkSchema, onInvalid } = BuyOptionsSchema.properties

export const FollowOptionsSchema = Type.Object({
  max: Money,
  rail,
  records,
  from,
  maxPrice,
  k,
  prepay,
  resumeFor,
  checkSchema,
  onInvalid,
  key: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: 'field, like time or wind.id' })),
  window: Limit,
  leave: Type.Optional(
    Type.Object({ silentMs: Limit, missing: Limit, delayMs: Limit, invalid: Limit, failures: Limit })
  ),
  resume: Type.Optional(Type.Boolean()),
  patience: Type.Optional(Type.Number({ minimum: 0, description: 'ms' }))
})

export const FollowWishSchema = Type.Object({
  listings: Type.Array(Type.String({ minLength: 1, maxLength: 100, description: 'ID, unique prefix or CID' }), {
    minItems: 1,
    maxItems: 100
  }),
  options: FollowOptionsSchema
})

const Why = OneOf('silentMs', 'missing', 'delayMs', 'invalid', 'failures', 'failed')

/** Of which seller something is said. */
const place = { listing: HexText, seller: Type.String() }

const totals = {
  records: Integer,
  duplicates: Integer,
  paid: Integer,
  purchases: Type.Array(
    Type.Object({
      ...place,
      session: Maybe(Type.String()),
      records: Integer,
      due: Integer,
      paid: Integer,
      quality: QualitySchema,
      left: Type.Optional(Why)
    })
  )
}

export const FollowOutcomeSchema = Type.Object({
  ...totals,
  reason: OneOf('complete', 'sourceEnded', 'maximum', 'stopped')
})

export const FollowingSchema = Type.Object({
  following: Name,
  startedAt: Type.Number({ description: 'Unix ms' }),
  status: Type.Object({ ...totals, listing: Maybe(HexText), seller: Maybe(Type.String()) }),
  outcome: Type.Optional(FollowOutcomeSchema),
  problem: Type.Optional(ProblemSchema)
})

/** What happens besides records; those of a purchase as `PurchaseEvent` has them. */
export const FOLLOW_EVENTS = {
  joined: Type.Object({ ...place, session: Type.Optional(Type.String()) }),
  left: Type.Object({ ...place, why: Why, quality: QualitySchema, problem: Type.Optional(ProblemSchema) }),
  payment: Type.Object({ ...place, paid: Integer, due: Integer }),
  window: Type.Object({ ...place, window: Integer, need: Integer }),
  resumed: Type.Object({ ...place, resumes: Type.Number() }),
  quality: Type.Object({ ...place, quality: QualitySchema }),
  ended: Type.Object({ ...place, outcome: Type.Optional(OutcomeSchema), problem: Type.Optional(ProblemSchema) })
} as const
