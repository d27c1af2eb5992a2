/**
 * No control characters, line separators or bidirectional controls: a title may not change how the text around it is
 * read. ESC, which starts terminal escapes, is a control character.
 */
const LINE_TEXT = '^[^\\p{Cc}\\p{Zl}\\p{Zp}\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]*$'
const BLOCK_TEXT = '^([\\n\\t]|[^\\p{Cc}\\p{Zl}\\p{Zp}\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069])*$'
const TIME = '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,3})?Z$'
const ADDRESS = '^0x[0-9a-f]{40}$'

const line = (maxLength: number, minLength = 1) => ({ type: 'string', minLength, maxLength, pattern: LINE_TEXT })
const block = (maxLength: number) => ({ type: 'string', minLength: 1, maxLength, pattern: BLOCK_TEXT })
const list = (items: object, maxItems: number, minItems = 1) => ({ type: 'array', items, minItems, maxItems })
const map = (required: string[], properties: Record<string, object>) => ({
  type: 'object',
  additionalProperties: false,
  required,
  properties
})

const time = { type: 'string', pattern: TIME }
const peerId = { type: 'string', pattern: '^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$' }
const url = { type: 'string', maxLength: 400, pattern: '^https?://[\\x21-\\x7e]+$' }
const longitude = (title = 'Longitude') => ({ title, type: 'number', minimum: -180, maximum: 180 })
const latitude = (title = 'Latitude') => ({ title, type: 'number', minimum: -90, maximum: 90 })
const offset = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER }
const positive = { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER }

/** Forms are made from the schema: what people call a part. */
const titled = <T extends object>(title: string, schema: T) => ({ title, ...schema })

const price = (amount: object) =>
  map(['amount', 'count', 'unit'], {
    amount,
    count: { ...positive, maximum: 2 ** 32 },
    unit: { enum: ['record', 'KiB'] }
  })

/**
 * JSON Schema (2020-12) of a listing document. What a schema cannot say (canonical bytes, valid peer IDs, west and
 * east, prices that fit the contract) is checked by `decodeDocument`; docs/specs/registry.md §2 lists all of it.
 */
export const listingDocumentSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:ddm:listing:1',
  title: 'DDM listing document, version 1',
  ...map(['v', 'id', 'title', 'description', 'seller', 'schema', 'payment', 'issuedAt'], {
    v: { const: 1 },
    id: { type: 'string', pattern: '^0x[0-9a-f]{64}$' },
    title: line(120, 3),
    description: block(4_000),
    keywords: list(line(40), 20, 0),
    language: list({ type: 'string', pattern: '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$', maxLength: 35 }, 8, 0),
    seller: map(['peerId'], {
      peerId,
      account: { type: 'string', pattern: ADDRESS },
      name: line(80),
      contact: line(200),
      credentials: list(
        {
          type: 'object',
          maxProperties: 8,
          propertyNames: { pattern: '^[A-Za-z][A-Za-z0-9]{0,31}$' },
          additionalProperties: line(2_000)
        },
        8,
        0
      )
    }),
    spatial: titled(
      'Where',
      map([], {
        point: { type: 'array', prefixItems: [longitude(), latitude()], items: false, minItems: 2 },
        bbox: {
          title: 'Area',
          type: 'array',
          prefixItems: [longitude('West'), latitude('South'), longitude('East'), latitude('North')],
          items: false,
          minItems: 4
        },
        place: line(200),
        mobile: { type: 'boolean' }
      })
    ),
    temporal: titled('When', map([], { from: time, to: time, replay: { type: 'boolean' } })),
    cadence: titled(
      'How it comes',
      map(['mode'], {
        mode: { enum: ['periodic', 'event', 'on-demand', 'finite'] },
        periodMs: titled('Period in ms', positive)
      })
    ),
    instrument: map([], { name: line(120), model: line(120), accuracy: line(120) }),
    variables: list(
      map(['path', 'name'], { path: line(200), name: line(120), ucum: line(40), observedProperty: url }),
      64,
      0
    ),
    schema: titled(
      'Records',
      map(['encoding'], {
        encoding: { enum: ['json', 'text', 'cbor', 'bytes'] },
        contentType: line(100),
        jsonSchema: { title: 'JSON Schema', type: 'object' },
        maxRecordBytes: { ...positive, maximum: (1 << 20) - 64 }
      })
    ),
    payment: list(
      {
        type: 'object',
        required: ['rail'],
        oneOf: [
          map(['rail', 'network', 'asset', 'payTo', 'price'], {
            rail: { const: 'evm' },
            network: { type: 'string', pattern: '^eip155:[1-9][0-9]{0,15}$' },
            asset: { type: 'string', pattern: '^eip155:[1-9][0-9]{0,15}/erc20:0x[0-9a-f]{40}$' },
            payTo: { type: 'string', pattern: ADDRESS },
            price: price({ type: 'string', pattern: '^[1-9][0-9]{0,38}$' })
          }),
          map(['rail', 'network', 'asset', 'payTo', 'price'], {
            rail: { const: 'iota' },
            network: { type: 'string', pattern: '^iota:[0-9a-f]{8}$' },
            asset: { type: 'string', pattern: '^iota:[0-9a-f]{8}/slip44:4218$' },
            payTo: { type: 'string', pattern: '^0x[0-9a-f]{64}$' },
            price: price({ type: 'string', pattern: '^[1-9][0-9]{0,38}$' })
          }),
          map(['rail', 'price'], { rail: { const: 'free' }, price: price({ const: '0' }) })
        ]
      },
      8
    ),
    freeRange: map(['from', 'to'], { from: offset, to: offset }),
    sample: { type: 'array', maxItems: 10 },
    license: map([], { spdx: titled('SPDX identifier', line(100)), url }),
    signers: list(peerId, 8, 0),
    access: map([], { note: block(1_000) }),
    issuedAt: time,
    ext: { type: 'object' }
  })
} as const
