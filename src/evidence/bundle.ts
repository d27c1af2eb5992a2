import { CarBufferReader } from '@ipld/car/buffer-reader'
import * as CarBufferWriter from '@ipld/car/buffer-writer'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import type { SessionRole, TranscriptPart } from '../interface/index.ts'
import {
  bytes,
  decodeCanonical,
  encodeCanonical,
  equalBytes,
  FieldError,
  link,
  list,
  map,
  oneOf,
  sha256,
  statementLink,
  u64
} from '../statements/index.ts'
import { broken, same } from './failure.ts'

/**
 * The file: a CARv1 whose one root is a DAG-CBOR block that names everything else. The blocks behind it are the
 * payloads of the statements, as they were signed, and the listing document, as it was published.
 */
const BUNDLE_VERSION = 1n
const SHA2_256 = 0x12
/** One part per block of at least one record: more than any session that a node has kept. */
const MAX_PARTS = 1 << 24
const MAX_STATEMENTS = 16
const MAX_U32 = 0xffff_ffffn

const bundleShape = map({
  v: u64,
  session: link,
  role: oneOf('buyer', 'seller'),
  listing: link,
  statements: list(map({ link, signature: bytes(64) }), MAX_STATEMENTS),
  parts: list(map({ first: u64, count: u64, digest: bytes(32) }), MAX_PARTS)
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
}

interface CarBlock {
  cid: CID
  bytes: Uint8Array
}

export function encodeBundle(content: BundleContent): Uint8Array {
  const root = encodeCanonical(
    bundleShape.encode({
      v: BUNDLE_VERSION,
      session: content.session,
      role: content.role,
      listing: content.listing,
      statements: content.statements.map(({ link: cid, signature }) => ({ link: cid, signature })),
      parts: content.parts.map(({ first, count, digest }) => ({ first, count: BigInt(count), digest }))
    })
  )
  return encodeCar([
    { cid: statementLink(root), bytes: root },
    ...content.statements.map(({ link: cid, payload }) => ({ cid, bytes: payload })),
    { cid: content.listing, bytes: content.listingBytes }
  ])
}

/** Reads a bundle and checks that it is one: form, hashes, nothing missing, nothing more. Throws `evidence`. */
export function decodeBundle(file: Uint8Array): BundleContent {
  const blocks = decodeCar(file)
  const [root, ...rest] = blocks
  if (root === undefined) throw broken('bundle', 'at least one block', 'none')
  const value = readRoot(root)
  const expected = [...value.statements.map((statement) => statement.link), value.listing]
  for (const [index, cid] of expected.entries()) {
    const found = rest[index]?.cid.toString()
    same(`block ${index + 1}`, cid.toString(), found)
  }
  if (rest.length > expected.length) throw broken('blocks', expected.length + 1, blocks.length)
  return {
    session: value.session,
    role: value.role,
    listing: value.listing,
    listingBytes: (rest.at(-1) as CarBlock).bytes,
    statements: value.statements.map(({ link: cid, signature }, index) => ({
      link: cid,
      signature,
      payload: (rest[index] as CarBlock).bytes
    })),
    parts: value.parts.map(({ first, count, digest }, index) => {
      if (count < 1n || count > MAX_U32) throw broken(`part ${index} → count`, '1 … 4294967295', count)
      return { first, count: Number(count), digest }
    })
  }
}

function readRoot({ cid, bytes: payload }: CarBlock): ReturnType<(typeof bundleShape)['decode']> {
  const expected = statementLink(payload)
  same('bundle block', expected.toString(), cid.toString())
  try {
    const value = bundleShape.decode(decodeCanonical(payload), 'bundle')
    if (value.v !== BUNDLE_VERSION)
      throw new FieldError('bundle.v', `is ${value.v}; this program reads ${BUNDLE_VERSION}`)
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

function decodeCar(file: Uint8Array): CarBlock[] {
  let blocks: CarBlock[]
  let roots: CID[]
  try {
    const reader = CarBufferReader.fromBytes(file)
    blocks = reader.blocks().map(({ cid, bytes: payload }) => ({ cid: CID.decode(cid.bytes), bytes: payload }))
    roots = reader.getRoots().map((cid) => CID.decode(cid.bytes))
  } catch (cause) {
    throw broken('file', 'a CARv1 archive', (cause as Error).message, cause)
  }
  const root = roots[0]
  if (roots.length !== 1 || root === undefined) throw broken('roots', 1, roots.length)
  same('root', root.toString(), blocks[0]?.cid.toString())
  for (const { cid, bytes: payload } of blocks) checkHash(cid, payload)
  // Whatever a reader tolerates (long varints, another order of keys) would be a second file for the same evidence.
  if (!equalBytes(encodeCar(blocks), file)) throw broken('file', 'the one encoding of its blocks', 'another encoding')
  return blocks
}

function checkHash(cid: CID, payload: Uint8Array): void {
  if (cid.version !== 1 || cid.multihash.code !== SHA2_256) {
    throw broken(`block ${cid}`, 'CIDv1 with sha2-256', `version ${cid.version}, hash ${cid.multihash.code}`)
  }
  const actual = CID.createV1(cid.code, Digest.create(SHA2_256, sha256(payload)))
  same(`block ${cid}`, cid.toString(), actual.toString())
}
