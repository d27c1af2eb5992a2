import { decode, encode } from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { type Address, DdmError, type Hex } from '../interface/index.ts'
import { MAX_ANNOUNCEMENT_BYTES } from './constants.ts'
import { cidToManifest, digestOf } from './document.ts'

/** A hint that a listing was posted (docs/specs/registry.md §6). Nothing in it is authority. */
export interface Announcement {
  listingId: Hex
  version: number
  /** CID of the listing document. */
  cid: CID
  /** Transaction of the ListingPut event. */
  transaction: Hex
  account: Address
  /** The document's block, when it fits. */
  document?: Uint8Array
}

const KEYS = ['account', 'cid', 'document', 'listing', 'transaction', 'v', 'version']
const MAX_VERSION = 0xffff_ffff

/** Canonical dag-cbor; the document is left out when the whole would exceed 4 KiB. */
export function encodeAnnouncement(announcement: Announcement): Uint8Array {
  const fields = {
    v: 1,
    listing: fromHex(announcement.listingId),
    version: announcement.version,
    cid: announcement.cid,
    transaction: fromHex(announcement.transaction),
    account: fromHex(announcement.account)
  }
  if (announcement.document !== undefined && announcement.document.length < MAX_ANNOUNCEMENT_BYTES) {
    const whole = encode({ ...fields, document: announcement.document })
    if (whole.length <= MAX_ANNOUNCEMENT_BYTES) return whole
  }
  return encode(fields)
}

/** Form only: exact keys, types and lengths, canonical bytes, a document that has the announced digest. */
export function decodeAnnouncement(bytes: Uint8Array): Announcement {
  if (bytes.length > MAX_ANNOUNCEMENT_BYTES)
    throw malformed(`has ${bytes.length} bytes, at most ${MAX_ANNOUNCEMENT_BYTES}`)
  let value: unknown
  try {
    value = decode(bytes)
  } catch (cause) {
    throw malformed('is not dag-cbor', cause)
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw malformed('is not a map')
  const fields = value as Record<string, unknown>
  for (const key of Object.keys(fields)) {
    if (!KEYS.includes(key)) throw malformed(`has the unknown key ${JSON.stringify(key.slice(0, 40))}`)
  }
  const { v, version, cid, document } = fields
  if (v !== 1) throw malformed('is not of version 1')
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1 || version > MAX_VERSION) {
    throw malformed('has no listing version')
  }
  const link = CID.asCID(cid)
  const manifest = link === null ? undefined : cidToManifest(link)
  if (link === null || manifest === undefined) throw malformed('has no CID of a listing document')
  const announcement: Announcement = {
    listingId: toHex(fields, 'listing', 32),
    version,
    cid: link,
    transaction: toHex(fields, 'transaction', 32),
    account: toHex(fields, 'account', 20)
  }
  if (document !== undefined) {
    if (!(document instanceof Uint8Array)) throw malformed('has a document that is not bytes')
    if (digestOf(document) !== manifest) throw malformed('has a document with another digest than its CID')
    announcement.document = document
  }
  if (Buffer.compare(encode(fields), bytes) !== 0)
    throw malformed('is not canonical: it does not encode to itself again')
  return announcement
}

function fromHex(hex: Hex): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.slice(2), 'hex'))
}

function toHex(fields: Record<string, unknown>, key: string, length: number): Hex {
  const bytes = fields[key]
  if (!(bytes instanceof Uint8Array) || bytes.length !== length) throw malformed(`needs ${length} bytes of ${key}`)
  return `0x${Buffer.from(bytes).toString('hex')}`
}

function malformed(why: string, cause?: unknown): DdmError {
  return new DdmError('protocol', `the announcement ${why}`, { cause })
}
