import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { CarBufferReader } from '@ipld/car/buffer-reader'
import * as CarBufferWriter from '@ipld/car/buffer-writer'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { verifyBundle } from '../../../src/evidence/index.ts'
import { DdmError } from '../../../src/interface/index.ts'
import { decodeCanonical, encodeCanonical, fromHex, sha256, toHex } from '../../../src/statements/index.ts'
import { toJson } from '../../support/make-vectors.ts'
import {
  BASE,
  FREE,
  JUDGES,
  knownPeople,
  type Lie,
  makeBundle,
  PER_KIB,
  type People,
  VIOLATION,
  without
} from './bundle.ts'
import { LIES } from './lies.ts'

// DDM_WRITE_VECTORS=1 node --test test/unit/evidence/bundle-vectors.test.ts writes the file anew.
const FILE = new URL('../../../docs/specs/vectors/sdpp-bundle.json', import.meta.url)

const CUT = without('receipt', 'receipt-ack')

/** What verifies, each with another part of the specification in it. */
const GOOD: Record<string, Lie> = {
  'closed and paid': {},
  'not acknowledged, with free records and money left over': {
    document: { freeRange: { from: 0, to: 140 } },
    offer: { free: { from: 0n, to: 140n } },
    invoice: { due: 50_000n },
    receipt: { due: 50_000n, unused: 10_000n },
    statements: without('receipt-ack')
  },
  'a price per KiB': PER_KIB,
  'on the free rail': FREE,
  'resumed: credit of an earlier stream, covered': {
    accept: { credited: 7n },
    accepted: { amount: BASE + 7n }
  },
  'cut, with the voucher that the buyer gave last': { statements: CUT },
  'cut before the first invoice': { statements: without('invoice', 'receipt', 'receipt-ack'), held: 'none' },
  'cut in the middle of a block: signed, and not shown': {
    statements: CUT,
    invoice: { n: 300n, due: 30_000n, credited: 28_000n, root: new Uint8Array(32).fill(7) }
  },
  'a record that breaks the schema, not paid': {
    violation: VIOLATION,
    invoice: { credited: 22_100n },
    receipt: { credited: 22_100n, reason: 4n },
    voucher: { amount: BASE + 22_100n }
  }
}

/** Lies of each step of the specification. */
const NAMED = [
  'a document of other bytes than its CID',
  'another document than the offer links',
  'a document that is no listing',
  'a signature of other bytes',
  'an offer signed by somebody the listing does not name',
  'an invoice signed by the buyer',
  'a second order',
  'statements in another order',
  'no accept',
  'a receipt of another session',
  'an acknowledgement of another receipt',
  'an acknowledgement without a receipt',
  'another schema than the listing has',
  'a price above the listing',
  'another start',
  'a wrong sum',
  'more than the buyer allowed',
  'an unused amount out of nowhere',
  'a channel whose payer signed for another order',
  'a channel in the name of an account that signed nothing',
  'another root',
  'another root on both',
  'another digest of a part',
  'a gap between parts',
  'a part that is missing',
  'a channel that pays somebody else',
  'a voucher of too little',
  'a voucher that somebody else signed',
  'credit on resume that no voucher covers',
  'credit without proof',
  'credit without a voucher',
  'a voucher beside a receipt'
]

const BAD: Record<string, (people: People) => Lie> = {
  ...Object.fromEntries(NAMED.map((name) => [name, (LIES[name] ?? assert.fail(name))[1]])),
  'a cut session with a voucher of too little': () => ({ statements: CUT, held: { amount: BASE + 57_999n } }),
  'a violation by a record that keeps the schema': () => ({ violation: { ...VIOLATION, index: 6 } })
}

/** What the form of the file does not allow, done to a good one. */
const MISSHAPEN: Record<string, (blocks: Block[]) => Block[]> = {
  'an unknown key in the root': ([root, ...rest]) => [withRoot(root, { more: 1 }), ...rest],
  'another version': ([root, ...rest]) => [withRoot(root, { v: 2 }), ...rest],
  'a block too many': (blocks) => [...blocks, blockOf(0x55, new Uint8Array(1))],
  'a block twice': (blocks) => [...blocks, ...blocks.slice(-1)],
  'a block missing': (blocks) => blocks.slice(0, -1),
  'blocks in another order': ([root, first, second, ...rest]) => [root, second, first, ...rest] as Block[]
}

interface Block {
  cid: CID
  bytes: Uint8Array
}

function blockOf(code: number, bytes: Uint8Array): Block {
  return { cid: CID.createV1(code, Digest.create(0x12, sha256(bytes))), bytes }
}

function withRoot(root: Block | undefined, changes: object): Block {
  const value = decodeCanonical((root as Block).bytes) as object
  return blockOf(0x71, encodeCanonical({ ...value, ...changes }))
}

function rewritten(file: Uint8Array, change: (blocks: Block[]) => Block[]): Uint8Array {
  const read = CarBufferReader.fromBytes(file).blocks()
  const blocks = change(read.map(({ cid, bytes }) => ({ cid: CID.decode(cid.bytes), bytes })))
  const roots = blocks.slice(0, 1).map(({ cid }) => cid)
  const size = blocks.reduce((sum, block) => sum + CarBufferWriter.blockLength(block), 0)
  const headerSize = CarBufferWriter.headerLength({ roots })
  const writer = CarBufferWriter.createWriter(new ArrayBuffer(headerSize + size), { roots, headerSize })
  for (const block of blocks) writer.write(block)
  return writer.close()
}

interface Vectors {
  valid: Array<{ name: string; file: string; session: string; shows: Record<string, unknown> }>
  invalid: Array<{ name: string; file: string; link: string }>
}

async function shown(file: Uint8Array) {
  const { records, bytes, due, credited, unused, unpaid, complete, acknowledged, transcript, violation, root } =
    await verifyBundle(file, JUDGES)
  const sums = { records, bytes, due, credited, unused, unpaid }
  const has = { root: root ?? null, violation: violation?.offset ?? null }
  return { ...sums, complete, acknowledged, transcript, ...has }
}

async function linkOf(file: Uint8Array): Promise<string> {
  const error = await verifyBundle(file, JUDGES).then(
    () => undefined,
    (found: unknown) => found
  )
  assert.ok(error instanceof DdmError && error.code === 'evidence', String(error))
  return String(error.details?.link)
}

/** All vectors of "Verifying a bundle" in docs/specs/sdpp.md, made by this implementation. */
async function makeVectors(): Promise<Vectors> {
  const people = knownPeople()
  const valid: Vectors['valid'] = []
  for (const [name, lie] of Object.entries(GOOD)) {
    const file = await makeBundle(people, lie)
    const { session } = await verifyBundle(file, JUDGES)
    valid.push({ name, file: toHex(file), session, shows: toJson(await shown(file)) as Record<string, unknown> })
  }
  const invalid: Vectors['invalid'] = []
  for (const [name, lie] of Object.entries(BAD)) {
    const file = await makeBundle(people, lie(people))
    invalid.push({ name, file: toHex(file), link: await linkOf(file) })
  }
  const good = await makeBundle(people)
  for (const [name, change] of Object.entries(MISSHAPEN)) {
    const file = rewritten(good, change)
    invalid.push({ name, file: toHex(file), link: await linkOf(file) })
  }
  return { valid, invalid }
}

if (process.env.DDM_WRITE_VECTORS === '1') {
  const head = { spec: 'docs/specs/sdpp.md, Verifying a bundle', link: 'the first link that is wrong, by name' }
  await writeFile(FILE, `${JSON.stringify({ ...head, ...(await makeVectors()) }, null, 2)}\n`)
}
const vectors: Vectors = JSON.parse(await readFile(FILE, 'utf8'))

test('the committed bundles are those that this implementation makes', async () => {
  const { valid, invalid } = vectors
  assert.deepEqual({ valid, invalid }, await makeVectors())
})

test('they hold as they are in the file, and one byte less or another of any does not', async () => {
  for (const { file, shows } of vectors.valid) assert.deepEqual(toJson(await shown(fromHex(file))), shows)
  for (const { file, link } of vectors.invalid) assert.equal(await linkOf(fromHex(file)), link)
  const [{ file } = assert.fail('no vector')] = vectors.valid
  const bytes = fromHex(file)
  await assert.rejects(verifyBundle(bytes.subarray(0, -1), JUDGES))
  for (let at = 0; at < bytes.length; at += 97) {
    await assert.rejects(verifyBundle(bytes.with(at, (bytes[at] as number) ^ 1), JUDGES), `byte ${at}`)
  }
})
