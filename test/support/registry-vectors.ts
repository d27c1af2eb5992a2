import { encodeAbiParameters, keccak256 } from 'viem'
import type { Address, Hex, ListingDocument } from '../../src/interface/index.ts'
import { encodeAnnouncement } from '../../src/registry/announcement.ts'
import { encodeDocument, manifestToCid, postedPrice } from '../../src/registry/index.ts'

const PEER = '12D3KooWQ5q8dmB4o2RzUNyWWtoqsJvv1RZsFuv3g1aYnGBbUYhd'
const ACCOUNT: Address = '0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1'
const TOKEN = '0xcccccccccccccccccccccccccccccccccccccccc'
const TRANSACTION: Hex = `0x${'77'.repeat(32)}`
const CHAIN_ID = 31337

export interface RegistryVectors {
  note: string
  chainId: number
  listingIds: Array<{ account: Address; salt: Hex; id: Hex }>
  documents: Array<{
    name: string
    document: ListingDocument
    /** The block, which is UTF-8 text. */
    block: string
    cid: string
    manifest: Hex
    posted: { token: Address; unitPrice: string; unit: number }
  }>
  invalidDocuments: Array<{ name: string; block: string }>
  announcements: Array<{
    name: string
    listing: Hex
    version: number
    cid: string
    transaction: Hex
    account: Address
    document?: string
    bytes: string
  }>
  invalidAnnouncements: Array<{ name: string; bytes: string }>
}

/** All vectors of docs/specs/registry.md, made by this implementation from the values below. */
export function makeRegistryVectors(): RegistryVectors {
  const listingIds = [0n, 1n, 2n ** 256n - 1n].map((n) => {
    const salt: Hex = `0x${n.toString(16).padStart(64, '0')}`
    return { account: ACCOUNT, salt, id: idOf(salt) }
  })
  const documents = sampleDocuments(listingIds.map(({ id }) => id)).map(([name, document]) => {
    const { bytes, cid, manifest } = encodeDocument(document)
    const { token, unitPrice, unit } = postedPrice(document, CHAIN_ID)
    const posted = { token, unitPrice: unitPrice.toString(), unit }
    return { name, document, block: new TextDecoder().decode(bytes), cid: cid.toString(), manifest, posted }
  })
  const [minimal, full] = documents
  if (minimal === undefined || full === undefined) throw new Error('no documents')
  return {
    note: 'Vectors of docs/specs/registry.md. Blocks are UTF-8 text, bytes are hex.',
    chainId: CHAIN_ID,
    listingIds,
    documents,
    invalidDocuments: invalidBlocks(minimal.block),
    announcements: [
      announcement('with document', minimal, 1, true),
      announcement('without document', full, 4_294_967_295, false)
    ],
    invalidAnnouncements: invalidAnnouncements(announcement('', minimal, 1, false).bytes)
  }
}

function idOf(salt: Hex): Hex {
  return keccak256(encodeAbiParameters([{ type: 'address' }, { type: 'bytes32' }], [ACCOUNT, salt]))
}

function sampleDocuments([first, second, third]: Hex[]): Array<[string, ListingDocument]> {
  const minimal: ListingDocument = {
    v: 1,
    id: first ?? '0x',
    title: 'Host telemetry',
    description: 'CPU and memory, ten times a second.',
    seller: { peerId: PEER },
    schema: { encoding: 'json' },
    payment: [{ rail: 'free', price: { amount: '0', count: 1, unit: 'record' } }],
    issuedAt: '2026-11-01T12:00:00Z'
  }
  const evm = (amount: string, count: number, unit: 'record' | 'KiB') => ({
    rail: 'evm' as const,
    network: `eip155:${CHAIN_ID}`,
    asset: `eip155:${CHAIN_ID}/erc20:${TOKEN}`,
    payTo: ACCOUNT,
    price: { amount, count, unit }
  })
  const full: ListingDocument = {
    ...minimal,
    id: second ?? '0x',
    title: 'Zürich 気象 hourly',
    description: 'Line one.\n\tLine two, "quoted" \\ and \u007e.',
    keywords: ['weather', 'PM2.5'],
    language: ['de-CH', 'en'],
    seller: {
      peerId: PEER,
      account: ACCOUNT,
      name: 'Ann',
      contact: 'ann@example.org',
      credentials: [{ type: 'membership', issuer: 'Example Society' }]
    },
    spatial: { point: [8.55, 47.37], bbox: [8.4, 47.3, 8.7, 47.5], place: 'Zürich', mobile: false },
    temporal: { from: '2026-01-01T00:00:00Z', to: '2026-12-31T23:59:59.999Z', replay: true },
    cadence: { mode: 'periodic', periodMs: 3_600_000 },
    instrument: { name: 'DHT22', model: 'AM2302', accuracy: '±0.5 °C' },
    variables: [{ path: '/t', name: 'temperature', ucum: 'Cel', observedProperty: 'https://example.org/temperature' }],
    schema: {
      encoding: 'json',
      contentType: 'application/json',
      jsonSchema: { type: 'object', properties: { t: { type: 'number', minimum: -1e-7 } } },
      maxRecordBytes: 1_048_512
    },
    payment: [evm('100', 3, 'KiB'), { rail: 'free', price: { amount: '0', count: 1, unit: 'record' } }],
    freeRange: { from: 0, to: 9_007_199_254_740_991 },
    sample: [{ t: 21.5 }, null, true, -0.25],
    license: { spdx: 'CC-BY-4.0', url: 'https://creativecommons.org/licenses/by/4.0/' },
    signers: [PEER],
    access: { note: 'Ask for history.' },
    ext: { 'org.example': { a: [], b: {} } }
  }
  const dearest: ListingDocument = {
    ...minimal,
    id: third ?? '0x',
    payment: [evm((2n ** 128n - 1n).toString(), 1, 'record')]
  }
  return [
    ['minimal, free', minimal],
    ['every field; the posted price is rounded up', full],
    ['the highest price, 2^128 - 1', dearest]
  ]
}

function invalidBlocks(block: string): RegistryVectors['invalidDocuments'] {
  const change = (from: string, to: string) => {
    if (!block.includes(from)) throw new Error(`${from} is not in the block`)
    return block.replace(from, to)
  }
  return [
    { name: 'white space', block: change('{', '{ ') },
    { name: 'keys out of order', block: change(',"v":1}', '}').replace('{', '{"v":1,') },
    { name: 'a key twice', block: change('"v":1', '"v":1,"v":1') },
    { name: 'an integer written as a fraction', block: change('"v":1', '"v":1.0') },
    { name: 'an escape that is not needed', block: change('"Host', '"\\u0048ost') },
    { name: 'an unknown field', block: change('"title"', '"tip":1,"title"') },
    { name: 'another document version', block: change('"v":1', '"v":2') },
    { name: 'a field missing', block: change('"title":"Host telemetry",', '') },
    { name: 'a terminal escape in the title', block: change('Host', '\\u001b[2JHost') },
    { name: 'a direction override in the title', block: change('Host', 'Host\u202e') },
    { name: 'a free price that is not 0', block: change('"amount":"0"', '"amount":"1"') },
    { name: 'an amount that is a number', block: change('"amount":"0"', '"amount":0') },
    {
      name: 'an upper case ID',
      block: block.replace(/"id":"0x([0-9a-f]+)"/, (_, hex) => `"id":"0x${hex.toUpperCase()}"`)
    },
    { name: 'not an Ed25519 peer', block: change(PEER, 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N') },
    { name: 'a link', block: change('"id"', '"ext":{"/":"bafkqaaa"},"id"') },
    { name: 'an integer above 2^53 - 1', block: change('"id"', '"ext":{"n":9007199254740992},"id"') },
    { name: 'the same with an exponent', block: change('"id"', '"ext":{"n":1e+21},"id"') },
    { name: 'nested 33 deep', block: change('"id"', `"ext":${'{"a":'.repeat(32)}1${'}'.repeat(32)},"id"`) },
    { name: 'cut off', block: block.slice(0, -1) },
    { name: 'empty', block: '' }
  ]
}

function announcement(
  name: string,
  { document, manifest, block }: RegistryVectors['documents'][number],
  version: number,
  whole: boolean
): RegistryVectors['announcements'][number] {
  const cid = manifestToCid(manifest)
  const fields = { transaction: TRANSACTION, account: ACCOUNT, version }
  const bytes = encodeAnnouncement({
    ...fields,
    listingId: document.id,
    cid,
    ...(whole && { document: new TextEncoder().encode(block) })
  })
  const hex = Buffer.from(bytes).toString('hex')
  return { name, listing: document.id, ...fields, cid: cid.toString(), ...(whole && { document: block }), bytes: hex }
}

function invalidAnnouncements(bytes: string): RegistryVectors['invalidAnnouncements'] {
  const change = (from: string, to: string) => {
    if (!bytes.includes(from)) throw new Error(`${from} is not in the announcement`)
    return bytes.replace(from, to)
  }
  // 61 76 01: the key "v" with the value 1. a6: a map of six.
  return [
    { name: 'another version of the format', bytes: change('617601', '617602') },
    { name: 'a key missing', bytes: change('a6617601', 'a5') },
    { name: 'an unknown key', bytes: change('a6617601', 'a7617601617801') },
    { name: 'a longer integer than needed', bytes: change('617601', '61761801') },
    { name: 'a listing version of 0', bytes: change('6776657273696f6e01', '6776657273696f6e00') },
    { name: 'bytes after the end', bytes: `${bytes}00` },
    { name: 'cut off', bytes: bytes.slice(0, -2) },
    { name: 'a CID that is not dag-json', bytes: change('582600' + '01a9021220', '582500' + '01711220') },
    { name: 'empty', bytes: '' }
  ]
}
