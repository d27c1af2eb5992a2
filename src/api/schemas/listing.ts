import { CID } from 'multiformats/cid'
import Type from 'typebox'
import { FACETS, type ListingDocument } from '../../interface/index.ts'
import { AddressText, HexText, Integer, Maybe, OneOf, Rail } from './common.ts'

/** The document is strangers' text, checked by the registry before it gets here; its schema is docs/specs/registry.md. */
export const Document = Type.Unsafe<ListingDocument>({ type: 'object', description: 'listing document' })

export const Status = OneOf('active', 'paused', 'retired')

export const ListingSchema = Type.Object({
  id: HexText,
  version: Type.Number(),
  cid: Type.String(),
  status: Status,
  trust: OneOf('confirmed', 'announced'),
  account: AddressText,
  peerId: Type.String(),
  document: Document,
  updatedAt: Type.Number({ description: 'Unix ms' }),
  transaction: Type.Optional(Type.Object({ hash: HexText, blockNumber: Integer, blockHash: HexText }))
})

export const ListingEventSchema = Type.Object({ type: OneOf('added', 'updated', 'removed'), listing: ListingSchema })

export const SearchQuerySchema = Type.Object({
  text: Type.Optional(Type.String({ maxLength: 400 })),
  bbox: Type.Optional(
    Type.Codec(Type.String({ maxLength: 100, description: 'west,south,east,north in degrees' }))
      .Decode((text) => text.split(',').map(Number) as [number, number, number, number])
      .Encode((box: [number, number, number, number]) => box.join(','))
  ),
  maxPrice: Type.Optional(Integer),
  seller: Type.Optional(Type.String({ maxLength: 100 })),
  keyword: Type.Optional(Type.String({ maxLength: 100 })),
  kind: Type.Optional(Type.String({ maxLength: 100 })),
  rail: Type.Optional(Type.String({ maxLength: 100 })),
  license: Type.Optional(Type.String({ maxLength: 200 })),
  announced: Type.Optional(Type.Boolean()),
  status: Type.Optional(OneOf('active', 'any')),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200 })),
  offset: Type.Optional(Type.Integer({ minimum: 0 }))
})

export const FacetsSchema = Type.Array(
  Type.Object({ facet: OneOf(...FACETS), value: Type.String(), count: Type.Integer() })
)

export const Payment = Type.Object({
  rail: Rail,
  network: Type.Optional(Type.String()),
  asset: Type.Optional(Type.String()),
  payTo: Type.Optional(HexText),
  price: Type.Object({ amount: Type.String(), count: Type.Number(), unit: OneOf('record', 'KiB') })
})

export const QuoteSchema = Type.Object({
  rail: Rail,
  payment: Payment,
  fee: Integer,
  k: Type.Optional(Integer),
  feePercent: Type.Optional(Type.Number())
})

/** A content identifier: its text on the wire. */
const Cid = Type.Codec(Type.String({ pattern: '^[a-z2-7]{20,120}$' }))
  .Decode((text) => CID.parse(text))
  .Encode((cid: CID) => cid.toString())

export const MenuEntrySchema = Type.Object({
  cid: Cid,
  id: HexText,
  title: Type.String(),
  rail: Rail,
  amount: Integer,
  count: Integer,
  unit: OneOf('record', 'KiB'),
  asset: Maybe(Type.String()),
  records: Maybe(Integer)
})
