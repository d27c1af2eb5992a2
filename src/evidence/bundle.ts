import { CarBufferReader } from '@ipld/car/buffer-reader'
import * as CarBufferWriter from '@ipld/car/buffer-writer'
import { varint } from 'multiformats'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import {
  DdmError,
  type Demand,
  type RecordedDigest,
  type SessionRole,
  type TranscriptPart
} from '../interface/index.ts'
import {
  amount,
  bytes,
  decodeCanonical,
  encodeCanonical,
  equalBytes,
  FieldError,
  link,
  list,
  map,
  oneOf,
  optional,
  quoted,
  sha256,
  statementLink,
  text,
  u64,
  type Voucher,
  voucher
} from '../statements/index.ts'
import { broken, same } from './failure.ts'

/**
 * The file: a CARv1 whose one root is a DAG-CBOR block that names everything else. The blocks behind it are the
 * payloads of the statements, as they were signed, the listing document, as it was published, and the part of the
 * transcript in which a record breaks the schema, if one does. docs/specs/sdpp.md, Evidence bundle.
 */
const BUNDLE_VERSION = 1n
const SHA2_256 = 0x12
const RAW = 0x55
/** Millions of parts; what is larger was not made by a session. */
const MAX_BUNDLE_BYTES = 1 << 28
/** One part per block of at least one record: more than any session that a node has kept. */
const MAX_PARTS = 1 << 24
const MAX_STATEMENTS = 16
/** Root block, statements, listing document, violated part. */
const MAX_BLOCKS = MAX_STATEMENTS + 3
/** One root needs 58; a header of many would be read into as many CIDs. */
const MAX_HEADER_BYTES = 1024
const MAX_TRANSFERS = 1 << 17
const MAX_RECORDINGS = 1 << 18
/** Names of networks, transactions and accounts, as their ledgers write them. */
const MAX_NAME = 128
/** A path of more would be of more than 2³² digests. */
const MAX_PATH = 32
/** Last moment that a date can hold, Unix ms. */
const MAX_TIME = 8_640_000_000_000_000n
const MAX_U32 = 0xffff_ffffn

const recording = map({
  digest: bytes(32),
  medium: oneOf('iota', 'evm'),
  network: text(MAX_NAME),
  transaction: text(MAX_NAME),
  by: text(MAX_NAME),
  at: u64,
  index: u64,
  count: u64,
  root: optional(bytes(32)),
  proof: optional(list(bytes(32), MAX_PATH))
})

const bundleShape = map({
  v: u64,
  session: link,
  role: oneOf('buyer', 'seller'),
  listing: link,
  statements: list(map({ link, signature: bytes(64) }), MAX_STATEMENTS),
  parts: list(map({ first: u64, count: u64, digest: bytes(32) }), MAX_PARTS),
  violation: optional(map({ part: u64, index: u64 })),
  voucher: optional(voucher),
  transfers: optional(
    list(map({ transaction: bytes(32), amount, sessionPaid: amount, demand: quoted }), MAX_TRANSFERS)
  ),
  recorded: optional(list(recording, MAX_RECORDINGS))
})

export interface BundleContent {
  /** CID of the ORDER. */
  session: CID
  role: SessionRole
  /** CID of the listing document. */
  listing: CID
  listingBytes: Uint8Array
  statements: Array<{ link: CID; payload: Uint8Array; signature: Uint8Array }>
  parts: TranscriptPart[]
  violation?: ViolatedPart
  /** Of a session without a receipt, which would have it: the highest that the buyer signed. */
  voucher?: Voucher
  /** On rails that move money each time, oldest first. */
  transfers?: BundledTransfer[]
  /** Where statements of the session were recorded. The ledger shows whether it is true. */
  recorded?: RecordedDigest[]
}

/** What a transaction moved. The ledger shows whether it is true; the seller's `credited` says that it believes so. */
export interface BundledTransfer {
  transaction: Uint8Array
  amount: bigint
  /** Of the session, with it. */
  sessionPaid: bigint
  /** The statement that asked for it: the digest of its payload is the transaction's memo. */
  demand: Demand
}

/** Where a record breaks the schema, with what shows it. */
export interface ViolatedPart {
  /** Index of the part, and of the record in it. */
  part: number
  index: number
  /** The part's records as u32be length ‖ bytes: the digest of the part is theirs. */
  bytes: Uint8Array
}

interface CarBlock {
  cid: CID
  bytes: Uint8Array
}

export function encodeBundle(content: BundleContent): Uint8Array {
  const { violation, voucher: held, transfers, recorded } = content
  const root = encodeCanonical(
    bundleShape.encode({
      v: BUNDLE_VERSION,
      session: content.session,
      role: content.role,
      listing: content.listing,
      statements: content.statements.map(({ link: cid, signature }) => ({ link: cid, signature })),
      parts: content.parts.map(({ first, count, digest }) => ({ first, count: BigInt(count), digest })),
      ...(violation === undefined
        ? {}
        : { violation: { part: BigInt(violation.part), index: BigInt(violation.index) } }),
      ...(held === undefined ? {} : { voucher: held }),
      ...(transfers === undefined ? {} : { transfers }),
      ...(recorded === undefined ? {} : { recorded: recorded.map(toFields) })
    })
  )
  return encodeCar([
    { cid: statementLink(root), bytes: root },
    ...content.statements.map(({ link: cid, payload }) => ({ cid, bytes: payload })),
    { cid: content.listing, bytes: content.listingBytes },
    ...(violation === undefined ? [] : [{ cid: rawLink(sha256(violation.bytes)), bytes: violation.bytes }])
  ])
}

/** A part of the transcript as a block: its digest is the part's. */
function rawLink(digest: Uint8Array): CID {
  return CID.createV1(RAW, Digest.create(SHA2_256, digest))
}

/** Reads a bundle and checks that it is one: form, hashes, nothing missing, nothing more. Throws `evidence`. */
export function decodeBundle(file: Uint8Array): BundleContent {
  if (file.length > MAX_BUNDLE_BYTES) throw broken('file', `at most ${MAX_BUNDLE_BYTES} bytes`, file.length)
  const blocks = decodeCar(file)
  const [root, ...rest] = blocks
  if (root === undefined) throw broken('bundle', 'at least one block', 'none')
  const value = readRoot(root)
  const parts = value.parts.map(({ first, count, digest }, index) => {
    if (count < 1n || count > MAX_U32) throw broken(`part ${index} → count`, '1 … 4294967295', count)
    return { first, count: Number(count), digest }
  })
  const place = readPlace(value.violation, parts)
  const expected = [...value.statements.map((statement) => statement.link), value.listing]
  if (place !== undefined) expected.push(rawLink(place.digest))
  for (const [index, cid] of expected.entries()) {
    const found = rest[index]?.cid.toString()
    same(`block ${index + 1}`, cid.toString(), found)
  }
  if (rest.length > expected.length) throw broken('blocks', expected.length + 1, blocks.length)
  const bytesOf = (index: number): Uint8Array => (rest[index] as CarBlock).bytes
  const { length } = value.statements
  return {
    session: value.session,
    role: value.role,
    listing: value.listing,
    listingBytes: bytesOf(length),
    statements: value.statements.map(({ link: cid, signature }, index) => {
      return { link: cid, signature, payload: bytesOf(index) }
    }),
    parts,
    ...(place === undefined ? {} : { violation: { part: place.part, index: place.index, bytes: bytesOf(length + 1) } }),
    ...(value.voucher === undefined ? {} : { voucher: value.voucher }),
    ...(value.transfers === undefined ? {} : { transfers: value.transfers }),
    ...(value.recorded === undefined ? {} : { recorded: value.recorded.map(fromFields) })
  }
}

type RecordingFields = ReturnType<(typeof recording)['decode']>

function toFields({ at, index, count, ...rest }: RecordedDigest): RecordingFields {
  return { ...rest, at: BigInt(at), index: BigInt(index), count: BigInt(count) }
}

function fromFields({ at, index, count, ...rest }: RecordingFields, place: number): RecordedDigest {
  if (at > MAX_TIME) throw broken(`recorded ${place} → at`, `at most ${MAX_TIME}`, at)
  if (count > MAX_U32) throw broken(`recorded ${place} → count`, `at most ${MAX_U32}`, count)
  if (index >= count) throw broken(`recorded ${place} → index`, `one of ${count}`, index)
  return { ...rest, at: Number(at), index: Number(index), count: Number(count) }
}

function readPlace(
  claim: { part: bigint; index: bigint } | undefined,
  parts: TranscriptPart[]
): { part: number; index: number; digest: Uint8Array } | undefined {
  if (claim === undefined) return undefined
  const part = claim.part < BigInt(parts.length) ? parts[Number(claim.part)] : undefined
  if (part === undefined) throw broken('violation → part', `one of ${parts.length}`, claim.part)
  if (claim.index >= BigInt(part.count)) throw broken('violation → index', `one of ${part.count}`, claim.index)
  return { part: Number(claim.part), index: Number(claim.index), digest: part.digest }
}

function readRoot({ cid, bytes: payload }: CarBlock): ReturnType<(typeof bundleShape)['decode']> {
  const expected = statementLink(payload)
  same('bundle block', expected.toString(), cid.toString())
  try {
    const value = bundleShape.decode(decodeCanonical(payload), 'bundle')
    if (value.v !== BUNDLE_VERSION)
      throw new FieldError('bundle.v', `is ${value.v}; this program reads ${BUNDLE_VERSION}`)
    // Unlike a statement it is signed by nobody: a key that says nothing here would be a second file for the same.
    if (!equalBytes(encodeCanonical(bundleShape.encode(value)), payload)) {
      throw new FieldError('bundle', 'has keys that are not of this version')
    }
    return value
  } catch (error) {
    if (!(error instanceof FieldError)) throw error
    throw broken('bundle block', 'a bundle, version 1', error.message, error)
  }
}

function encodeCar(blocks: CarBlock[]): Uint8Array {
  const roots = blocks.slice(0, 1).map(({ cid }) => cid)
  const length = blocks.reduce((sum, block) => sum + CarBufferWriter.blockLength(block), 0)
  const headerSize = CarBufferWriter.headerLength({ roots })
  const writer = CarBufferWriter.createWriter(new ArrayBuffer(headerSize + length), { roots, headerSize })
  for (const block of blocks) writer.write(block)
  return writer.close()
}

/**
 * Refuses a file of more blocks than a bundle has, by their lengths alone: a reader makes objects of each, and an empty
 * block is 37 bytes.
 */
function checkBlockCount(file: Uint8Array): void {
  const header = sectionEnd(file, 0)
  if (header > MAX_HEADER_BYTES) throw broken('file', `a header of at most ${MAX_HEADER_BYTES} bytes`, header)
  // Behind a header of version 2 blocks start elsewhere. Alone it cannot be read: its offsets are missing.
  CarBufferReader.fromBytes(file.subarray(0, header))
  let count = 0
  for (let at = header; at < file.length; at = sectionEnd(file, at)) {
    count++
    if (count > MAX_BLOCKS) throw broken('blocks', `at most ${MAX_BLOCKS}`, 'more')
  }
}

/** Where the header or block that starts at `at` ends: varint length ‖ bytes. */
function sectionEnd(file: Uint8Array, at: number): number {
  const [length, prefix] = varint.decode(file, at)
  return at + prefix + length
}

function decodeCar(file: Uint8Array): CarBlock[] {
  let blocks: CarBlock[]
  let roots: CID[]
  try {
    checkBlockCount(file)
    const reader = CarBufferReader.fromBytes(file)
    blocks = reader.blocks().map(({ cid, bytes: payload }) => ({ cid: CID.decode(cid.bytes), bytes: payload }))
    roots = reader.getRoots().map((cid) => CID.decode(cid.bytes))
  } catch (cause) {
    if (cause instanceof DdmError) throw cause
    throw broken('file', 'a CARv1 archive', (cause as Error).message, cause)
  }
  const root = roots[0]
  if (roots.length !== 1 || root === undefined) throw broken('roots', 1, roots.length)
  same('root', root.toString(), blocks[0]?.cid.toString())
  for (const [index, block] of blocks.entries()) checkHash(`block ${index}`, block)
  // Whatever a reader tolerates (long varints, another order of keys) would be a second file for the same evidence.
  if (!equalBytes(encodeCar(blocks), file)) throw broken('file', 'the one encoding of its blocks', 'another encoding')
  return blocks
}

function checkHash(where: string, { cid, bytes: payload }: CarBlock): void {
  if (cid.version !== 1 || cid.multihash.code !== SHA2_256) {
    throw broken(where, 'CIDv1 with sha2-256', `version ${cid.version}, hash ${cid.multihash.code}`)
  }
  const actual = CID.createV1(cid.code, Digest.create(SHA2_256, sha256(payload)))
  same(where, cid.toString(), actual.toString())
}
