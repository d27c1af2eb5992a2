import { createHash } from 'node:crypto'
import { code as DAG_JSON, decode, encode } from '@ipld/dag-json'
import { peerIdFromString } from '@libp2p/peer-id'
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { type Address, DdmError, type Hex, isAmountString, type ListingDocument } from '../interface/index.ts'
import { MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH, UNIT_CODES, ZERO_ADDRESS } from './constants.ts'
import { listingDocumentSchema } from './schema.ts'

const SHA2_256 = 0x12

/** A document as it is published: its canonical bytes, and the two names of those bytes. */
export interface EncodedDocument {
  bytes: Uint8Array
  cid: CID
  /** sha2-256 digest of `bytes`, as the contract keeps it. */
  manifest: Hex
}

/**
 * Checks a document and encodes it as the one canonical dag-json block.
 *
 * @example
 * ```ts
 * const { cid, manifest, bytes } = encodeDocument(document) // throws DdmError('usage') naming path and value
 * ```
 */
export function encodeDocument(document: ListingDocument): EncodedDocument {
  checkTree(document)
  checkDocument(document)
  const bytes = encode(document)
  if (bytes.length > MAX_DOCUMENT_BYTES) throw tooLarge(bytes.length)
  const manifest = digestOf(bytes)
  return { bytes, cid: manifestToCid(manifest), manifest }
}

/**
 * Reads a stranger's document: size and depth before anything is parsed, then strict schema, then canonical form.
 * Throws DdmError('usage') that names the path and the value.
 */
export function decodeDocument(bytes: Uint8Array): ListingDocument {
  if (bytes.length > MAX_DOCUMENT_BYTES) throw tooLarge(bytes.length)
  checkDepth(bytes)
  let value: unknown
  try {
    value = decode(bytes)
  } catch (cause) {
    throw new DdmError('usage', 'the listing document is not dag-json', { cause })
  }
  checkTree(value)
  checkDocument(value)
  if (Buffer.compare(encode(value), bytes) !== 0) {
    throw new DdmError('usage', 'the listing document is not canonical dag-json: it does not encode to itself again')
  }
  return value
}

/** sha2-256 of a block, as the contract's `manifest`. */
export function digestOf(bytes: Uint8Array): Hex {
  return `0x${createHash('sha256').update(bytes).digest('hex')}`
}

/** CIDv1 dag-json sha2-256 whose digest is `manifest`. */
export function manifestToCid(manifest: Hex): CID {
  return CID.createV1(DAG_JSON, Digest.create(SHA2_256, Uint8Array.from(Buffer.from(manifest.slice(2), 'hex'))))
}

/** The contract's `manifest` for a document CID; undefined when the CID cannot be one of a listing document. */
export function cidToManifest(cid: CID): Hex | undefined {
  if (cid.version !== 1 || cid.code !== DAG_JSON || cid.multihash.code !== SHA2_256) return undefined
  if (cid.multihash.digest.length !== 32) return undefined
  return `0x${Buffer.from(cid.multihash.digest).toString('hex')}`
}

/** What the contract stores of a price. */
export interface PostedPrice {
  /** Zero address when the listing is free on this chain. */
  token: Address
  /** Atomic units per one unit: `ceil(amount / count)`, so the index never shows less than what is due. */
  unitPrice: bigint
  /** One of `UNIT_CODES`. */
  unit: number
}

/**
 * The price to post for a document: of its first evm payment on this chain, else of its first free one, else of its first on
 * another ledger, whose asset no token address names.
 */
export function postedPrice(document: ListingDocument, chainId: number): PostedPrice {
  const payment =
    document.payment.find(({ rail, network }) => rail === 'evm' && network === `eip155:${chainId}`) ??
    document.payment.find(({ rail }) => rail === 'free') ??
    document.payment.find(({ rail }) => rail === 'iota')
  if (payment === undefined) {
    const offered = document.payment.map(({ network }) => network ?? 'free').join(', ')
    throw new DdmError('usage', `payment names no way to pay on eip155:${chainId}; it names ${offered}`)
  }
  const { amount, count, unit } = payment.price
  const token = (payment.asset?.split('erc20:')[1] ?? ZERO_ADDRESS) as Address
  const per = BigInt(count)
  return { token, unitPrice: (BigInt(amount) + per - 1n) / per, unit: UNIT_CODES[unit] }
}

function tooLarge(length: number): DdmError {
  return new DdmError('usage', `the listing document has ${length} bytes; at most ${MAX_DOCUMENT_BYTES} are allowed`, {
    details: { bytes: length, max: MAX_DOCUMENT_BYTES }
  })
}

/** Counts brackets outside strings, so that a hostile nesting never reaches a recursive parser. */
function checkDepth(bytes: Uint8Array): void {
  let depth = 0
  let quoted = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (quoted) {
      if (byte === 0x5c) i++
      else if (byte === 0x22) quoted = false
    } else if (byte === 0x22) quoted = true
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > MAX_DOCUMENT_DEPTH) throw tooDeep()
    } else if (byte === 0x7d || byte === 0x5d) depth--
  }
}

function tooDeep(): DdmError {
  return new DdmError('usage', `the listing document nests deeper than ${MAX_DOCUMENT_DEPTH} levels`)
}

/** Only JSON values that dag-json writes in one way: no links, bytes, big integers or lone surrogates. */
function checkTree(value: unknown, path = '', depth = 1): void {
  const refuse = (why: string): never => {
    throw new DdmError('usage', `${path === '' ? 'the listing document' : path} ${why}`)
  }
  if (typeof value === 'string') {
    if (!value.isWellFormed()) refuse('has half of a surrogate pair')
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) refuse(`is ${value}, which JSON cannot say`)
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) refuse(`is ${value}; integers end at 2^53 - 1`)
  } else if (Array.isArray(value)) {
    if (depth > MAX_DOCUMENT_DEPTH) throw tooDeep()
    for (const [i, item] of value.entries()) checkTree(item, `${path}/${i}`, depth + 1)
  } else if (value !== null && typeof value === 'object') {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) refuse('is not a JSON value')
    if (depth > MAX_DOCUMENT_DEPTH) throw tooDeep()
    for (const [key, item] of Object.entries(value)) {
      if (key === '/') refuse('has the key "/", which dag-json reserves for links')
      if (!key.isWellFormed()) refuse('has a key with half of a surrogate pair')
      checkTree(item, `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, depth + 1)
    }
  } else if (value !== null && typeof value !== 'boolean') {
    refuse(`is a ${typeof value}, not a JSON value`)
  }
}

let validate: ValidateFunction<ListingDocument> | undefined

/** Compiled on first use: that takes tens of milliseconds. */
function validator(): ValidateFunction<ListingDocument> {
  if (validate === undefined) {
    const ajv = new Ajv2020({
      strict: true,
      strictTypes: false,
      strictTuples: false,
      strictRequired: false,
      verbose: true,
      // Ours is one: a test says so, which takes half of the time.
      validateSchema: false
    })
    validate = ajv.compile<ListingDocument>(listingDocumentSchema)
  }
  return validate
}

function checkDocument(value: unknown): asserts value is ListingDocument {
  const check = validator()
  if (!check(value)) throw schemaError(check.errors ?? [])
  checkPeerId(value.seller.peerId, '/seller/peerId')
  for (const [i, signer] of (value.signers ?? []).entries()) checkPeerId(signer, `/signers/${i}`)
  for (const [i, { rail, network, asset, price }] of value.payment.entries()) {
    if (!isAmountString(price.amount)) throw invalid(`/payment/${i}/price/amount`, price.amount, 'is 2^128 or more')
    if (rail !== 'free' && !asset?.startsWith(`${network}/`)) {
      throw invalid(`/payment/${i}/asset`, asset, `is not on the payment's network ${network}`)
    }
  }
  const { freeRange, temporal, spatial } = value
  if (freeRange !== undefined && freeRange.from >= freeRange.to) {
    throw invalid('/freeRange', freeRange, 'is empty: from must be below to')
  }
  if (spatial?.bbox !== undefined && spatial.bbox[1] > spatial.bbox[3]) {
    throw invalid('/spatial/bbox', spatial.bbox, 'has its south above its north; the order is west, south, east, north')
  }
  checkTime(value.issuedAt, '/issuedAt')
  if (temporal?.from !== undefined) checkTime(temporal.from, '/temporal/from')
  if (temporal?.to !== undefined) checkTime(temporal.to, '/temporal/to')
  if (
    temporal?.from !== undefined &&
    temporal.to !== undefined &&
    Date.parse(temporal.from) > Date.parse(temporal.to)
  ) {
    throw invalid('/temporal', temporal, 'ends before it begins')
  }
}

/** Sellers sign with their peer key, and statements carry Ed25519 signatures, so no other kind of peer can sell. */
function checkPeerId(text: string, path: string): void {
  try {
    const peer = peerIdFromString(text)
    if (peer.type === 'Ed25519' && peer.toString() === text) return
  } catch {}
  throw invalid(path, text, 'is not the peer ID of an Ed25519 key')
}

function checkTime(text: string, path: string): void {
  const at = Date.parse(text)
  // Date.parse rolls 2026-02-30 over to March; a time that does not exist is refused instead.
  if (Number.isNaN(at) || !new Date(at).toISOString().startsWith(text.slice(0, 19))) {
    throw invalid(path, text, 'is not a UTC time like 2026-01-31T12:00:00Z')
  }
}

function schemaError(errors: ErrorObject[]): DdmError {
  // Of the branches of a oneOf, the one whose `rail` fits says what is wrong.
  const error = errors.find(({ keyword }) => keyword !== 'oneOf' && keyword !== 'const') ?? errors[0]
  if (error === undefined) return new DdmError('usage', 'the listing document is invalid')
  if (error.keyword === 'additionalProperties') {
    return invalid(
      `${error.instancePath}/${String(error.params.additionalProperty)}`,
      undefined,
      'is not a known field'
    )
  }
  if (error.keyword === 'required') {
    return invalid(`${error.instancePath}/${String(error.params.missingProperty)}`, undefined, 'is missing')
  }
  if (error.keyword === 'pattern') {
    return invalid(error.instancePath, error.data, describePattern(String(error.params.pattern)))
  }
  if (error.keyword === 'enum') {
    return invalid(error.instancePath, error.data, `must be one of ${error.params.allowedValues.join(', ')}`)
  }
  if (error.keyword === 'const') {
    return invalid(error.instancePath, error.data, `must be ${JSON.stringify(error.params.allowedValue)}`)
  }
  return invalid(error.instancePath, error.data, error.message ?? 'is invalid')
}

function describePattern(pattern: string): string {
  return pattern.includes('\\p{Cc}') ? 'has control or text-direction characters' : `does not match ${pattern}`
}

/** Shows at most 60 characters of a stranger's value, escaped. */
function invalid(path: string, value: unknown, why: string): DdmError {
  const shown = value === undefined ? '' : ` ${escapeControls(JSON.stringify(value).slice(0, 60))}`
  const where = path === '' ? 'the listing document' : escapeControls(path.slice(0, 120))
  return new DdmError('usage', `${where}${shown} ${why}`, { details: { path: where } })
}

/** Error texts reach terminals: whatever could steer one is written as \u escapes. */
function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Zl}\p{Zp}\p{Cf}]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
  )
}
