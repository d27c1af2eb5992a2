import Type from 'typebox'
import type { ProductDescription } from '../../node/index.ts'
import { Integer, Name, OneOf } from './common.ts'
import { Document, ListingSchema } from './listing.ts'

const Buyers = Type.Array(Type.String({ maxLength: 100 }), { maxItems: 10_000 })

const PriceText = Type.String({ minLength: 1, maxLength: 100, description: 'like 0.0001/record or 0.02/100 records' })

const Span = Type.Unsafe<string | number>(
  Type.Union([Type.String({ maxLength: 20, description: 'like 1m' }), Type.Integer({ minimum: 1, description: 'ms' })])
)

/** Kept with the product, and never shown again: there are keys and tokens in it. */
const Headers = Type.Unsafe<Record<string, string>>({
  type: 'object',
  description: 'sent along by a source that speaks HTTP; never shown again',
  maxProperties: 50,
  propertyNames: { pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$" },
  additionalProperties: { type: 'string', maxLength: 8000 }
})

/** What is sold and how; the same keys as in the file of `ddm sell --config`. */
export const DescriptionSchema = Type.Object(
  {
    title: Type.String({ minLength: 1, maxLength: 200 }),
    description: Type.Optional(Type.String({ maxLength: 4000 })),
    keywords: Type.Optional(Type.Array(Type.String({ maxLength: 60 }), { maxItems: 20 })),
    price: Type.Unsafe<string | string[]>(Type.Union([PriceText, Type.Array(PriceText, { minItems: 1, maxItems: 8 })])),
    source: Type.Optional(Type.String({ minLength: 1, maxLength: 4000 })),
    onError: Type.Optional(OneOf('stop', 'skip')),
    select: Type.Optional(Type.Array(Type.String({ maxLength: 200 }), { minItems: 1, maxItems: 256 })),
    every: Type.Optional(Type.Integer({ minimum: 1 })),
    interval: Type.Optional(Span),
    time: Type.Optional(Type.String({ maxLength: 200, description: 'field with the time of a record' })),
    onInvalid: Type.Optional(OneOf('stop', 'drop')),
    check: Type.Optional(Type.Boolean()),
    period: Type.Optional(Type.Number({ minimum: 1, description: 'ms' })),
    headers: Type.Optional(Headers),
    key: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    free: Type.Optional(
      Type.Unsafe<string | number>(
        Type.Union([
          Type.String({ maxLength: 40, description: 'offsets, like 100-110' }),
          Type.Integer({ minimum: 0, description: 'how many of the first' })
        ])
      )
    ),
    allow: Type.Optional(Buyers),
    deny: Type.Optional(Buyers),
    credit: Type.Optional(Type.String({ maxLength: 100, description: 'whole tokens' })),
    k: Type.Optional(
      Type.Union([
        Type.Integer({ minimum: 1 }),
        Type.Object({
          min: Type.Integer({ minimum: 1 }),
          default: Type.Integer({ minimum: 1 }),
          max: Type.Integer({ minimum: 1 })
        })
      ])
    ),
    schema: Type.Optional(
      Type.Unsafe<Record<string, unknown>>({ type: 'object', description: 'JSON Schema of the records' })
    ),
    cadence: Type.Optional(Span),
    document: Type.Optional(Type.Unsafe<Exclude<ProductDescription['document'], undefined>>(Document))
  },
  { additionalProperties: false }
)

/** Records come over `POST …/records` instead of from a source that the node opens itself. */
export const PushSchema = Type.Object({
  name: Type.String({ maxLength: 400 }),
  finite: Type.Boolean(),
  fingerprint: Type.Optional(Type.String({ maxLength: 400 })),
  invoicing: Type.Optional(OneOf('strict', 'adaptive')),
  keepLog: Type.Optional(Type.Boolean())
})

export const ProductWishSchema = Type.Object({ product: DescriptionSchema, push: Type.Optional(PushSchema) })

export const ProductSchema = Type.Object({
  listing: ListingSchema,
  source: Type.Optional(Type.String()),
  head: Integer,
  tail: Integer,
  finished: Type.Boolean(),
  dropped: Type.Number({ description: 'records left out, as onInvalid says' }),
  feeding: OneOf('running', 'waiting', 'ended', 'failed'),
  problem: Type.Optional(Type.String({ description: 'why the source waits, or has failed' })),
  /** Where a pushed product goes on: the position kept with its log. */
  from: Type.Optional(Type.String())
})

/** Records as base64, in order; durable when the call is answered. */
export const PushedSchema = Type.Object({
  records: Type.Array(
    Type.Object({ data: Type.String({ contentEncoding: 'base64' }), position: Type.Optional(Type.String()) }),
    { maxItems: 10_000 }
  ),
  end: Type.Optional(Type.Boolean({ description: 'no record will follow' })),
  failed: Type.Optional(Type.String({ maxLength: 2000, description: 'why the source ended badly' }))
})

export const ListingPath = Type.Object({ id: Name })
