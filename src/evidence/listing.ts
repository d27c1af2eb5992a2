import { decode } from '@ipld/dag-json'
import {
  encodeCanonical,
  type Field,
  FieldError,
  list,
  map,
  oneOf,
  optional,
  rail,
  sha256,
  text,
  toHex,
  u64,
  type ValueOf
} from '../statements/index.ts'
import { broken } from './failure.ts'

/** Any map: the schema of the records is the validator's to read. */
const object: Field<Record<string, unknown>> = {
  decode(value, path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FieldError(path, 'is not a map')
    return value as Record<string, unknown>
  },
  encode: (value) => value
}

/** What evidence needs of a listing document; its own schema is the registry's to check. */
const shape = {
  id: text(66, /^0x[0-9a-f]{64}$/),
  title: text(1_000),
  seller: map({ peerId: text(128) }),
  signers: optional(list(text(128), 64)),
  schema: map({
    encoding: oneOf('json', 'text', 'cbor', 'bytes'),
    jsonSchema: optional(object),
    maxRecordBytes: optional(u64)
  }),
  payment: list(
    map({
      rail,
      network: optional(text(128)),
      asset: optional(text(128)),
      payTo: optional(text(66)),
      price: map({ amount: text(39, /^(0|[1-9][0-9]*)$/), count: u64, unit: oneOf('record', 'KiB') })
    }),
    64
  ),
  freeRange: optional(map({ from: u64, to: u64 }))
}

export type ListedTerms = ValueOf<typeof shape>

/** Of a document that names none. */
const MAX_RECORD_BYTES = 65_536n

export function readListing(bytes: Uint8Array): ListedTerms {
  try {
    return map(shape).decode(decode(bytes), 'listing')
  } catch (error) {
    const problem = error instanceof FieldError ? error.message : 'not dag-json'
    throw broken('listing', 'a listing document', problem, error)
  }
}

/** What every record of the listing keeps to. */
export interface RecordTerms {
  encoding: 'json' | 'text' | 'cbor' | 'bytes'
  /** JSON Schema 2020-12. */
  jsonSchema?: Record<string, unknown>
  maxRecordBytes: bigint
}

export function recordTerms({ schema }: ListedTerms): RecordTerms {
  const { maxRecordBytes = MAX_RECORD_BYTES, ...rest } = schema
  return { ...rest, maxRecordBytes }
}

/** As OFFER names it: sha256 of the schema's canonical DAG-CBOR. */
export function schemaDigest({ schema: { jsonSchema } }: ListedTerms): string | undefined {
  if (jsonSchema === undefined) return undefined
  try {
    return toHex(sha256(encodeCanonical(jsonSchema)))
  } catch (error) {
    throw broken('listing → schema.jsonSchema', 'JSON', (error as Error).message, error)
  }
}
