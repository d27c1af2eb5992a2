import Type from 'typebox'
import { HexText, Integer, Maybe, Money, Name, OneOf, Rail } from './common.ts'

/** Where a purchase begins: an offset, a time or the newest record. */
const From = Type.Codec(
  Type.String({ maxLength: 40, pattern: '^(live|[0-9]{1,20}|[0-9]{4}-.*Z)$', description: 'offset, time or "live"' })
)
  .Decode((text): bigint | Date | 'live' => {
    if (text === 'live') return text
    return /^[0-9]+$/.test(text) ? BigInt(text) : new Date(text)
  })
  .Encode((from: number | bigint | Date | 'live') => (from instanceof Date ? from.toISOString() : from.toString()))

const Count = Type.Codec(Type.String({ pattern: '^[0-9]{1,20}$', description: 'integer, decimal digits' }))
  .Decode((text) => BigInt(text))
  .Encode((count: number | bigint) => count.toString())

export const BuyOptionsSchema = Type.Object({
  rail: Type.Optional(Rail),
  records: Type.Optional(Count),
  from: Type.Optional(From),
  max: Type.Optional(Money),
  maxPrice: Type.Optional(Type.String({ maxLength: 100 })),
  k: Type.Optional(Type.Integer({ minimum: 1 })),
  prepay: Type.Optional(Money),
  duration: Type.Optional(Type.Number({ minimum: 0, description: 'ms' })),
  resumeFor: Type.Optional(Type.Number({ minimum: 0, description: 'ms' })),
  mark: Type.Optional(Type.String({ maxLength: 10_000 })),
  checkSchema: Type.Optional(Type.Boolean()),
  refund: Type.Optional(Type.Boolean()),
  onInvalid: Type.Optional(OneOf('stop', 'drop')),
  answering: Type.Optional(OneOf('every', 'newest'))
})

/**
 * `caller`: the records go to whoever asked, over `…/records`, and the purchase ends when that connection does. `node`:
 * the node keeps them in its home, and goes on when the caller is gone.
 */
export const Keeper = OneOf('caller', 'node')

export const PurchaseWishSchema = Type.Object({
  listing: Type.Optional(Type.String({ minLength: 1, maxLength: 100, description: 'ID, unique prefix or CID' })),
  resume: Type.Optional(Type.String({ minLength: 1, maxLength: 100, description: 'session to go on with' })),
  keep: Type.Optional(Keeper),
  options: Type.Optional(BuyOptionsSchema)
})

export const QualitySchema = Type.Object({
  invalid: Type.Number({ description: 'records that break the JSON Schema' }),
  failures: Type.Number({ description: 'streams that were lost' }),
  missing: Type.Optional(Type.Number({ description: 'records that the cadence promises and that did not come' })),
  delayMs: Type.Optional(Type.Object({ p50: Type.Number(), p95: Type.Number() }))
})

export const PurchaseStatusSchema = Type.Object({
  id: Maybe(Type.String({ description: 'session' })),
  phase: Type.String(),
  received: Integer,
  handled: Integer,
  due: Integer,
  paid: Integer,
  signed: Integer,
  credited: Integer,
  pending: Integer,
  risk: Integer,
  invoices: Type.Number(),
  payments: Type.Number(),
  resolvedThrough: Maybe(OneOf('dht', 'connection', 'peerstore')),
  rail: Maybe(Rail),
  resumes: Type.Number(),
  narrow: Type.Optional(Type.Object({ window: Integer, need: Integer })),
  rate: Type.Number(),
  quality: QualitySchema
})

export const OutcomeSchema = Type.Object({
  session: Type.String(),
  listing: HexText,
  seller: Type.String(),
  rail: Rail,
  records: Integer,
  due: Integer,
  paid: Integer,
  credited: Integer,
  reason: Type.String(),
  resumes: Type.Number(),
  quality: QualitySchema,
  firstRecordMs: Maybe(Type.Number()),
  totalMs: Type.Number()
})

export const ProblemSchema = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  code: Type.String({ description: 'as the command line has it (docs/guides/cli.md, exit codes)' }),
  detail: Type.String(),
  details: Type.Optional(Type.Record(Type.String(), Type.Unknown()))
})

export const PurchaseSchema = Type.Object({
  purchase: Name,
  listing: Maybe(HexText),
  title: Maybe(Type.String()),
  keep: Keeper,
  startedAt: Type.Number({ description: 'Unix ms' }),
  status: PurchaseStatusSchema,
  outcome: Type.Optional(OutcomeSchema),
  problem: Type.Optional(ProblemSchema)
})

/** `text` where the record is UTF-8, else `base64`. */
export const RecordsSchema = Type.Array(
  Type.Object({ offset: Type.String(), text: Type.Optional(Type.String()), base64: Type.Optional(Type.String()) })
)
