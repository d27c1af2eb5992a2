import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { CarBufferReader } from '@ipld/car/buffer-reader'
import * as CarBufferWriter from '@ipld/car/buffer-writer'
import { decode, encode } from '@ipld/dag-cbor'
import * as dagJson from '@ipld/dag-json'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { createRecordValidator } from '../../../src/data/index.ts'
import { verifyBundle } from '../../../src/evidence/index.ts'
import { DdmError, type RecordValidator } from '../../../src/interface/index.ts'
import { sha256 } from '../../../src/statements/index.ts'
import { JUDGES, type Lie, makeBundle, makePeople, VIOLATION, without } from './bundle.ts'

/** Bundles of every form; between them every field and block that a bundle can have. */
const FORMS: Record<string, Lie> = {
  'with a receipt and a violation': { violation: VIOLATION },
  'without a receipt, with a voucher': { statements: without('receipt', 'receipt-ack') },
  'of a resumed session with a free range': {
    document: { freeRange: { from: 0, to: 140 } },
    offer: { free: { from: 0n, to: 140n }, salt: new Uint8Array(16) },
    accept: { credited: 5n },
    accepted: { amount: 6_000n },
    invoice: { due: 50_000n },
    receipt: { due: 50_000n, unused: 10_000n }
  }
}

interface Block {
  cid: CID
  bytes: Uint8Array
}

const files = new Map<string, Uint8Array>()
/** Keeps the thread of the schemas between the tests. */
let open: RecordValidator
before(async () => {
  const people = await makePeople()
  for (const [name, lie] of Object.entries(FORMS)) files.set(name, await makeBundle(people, lie))
  open = await createRecordValidator({ encoding: 'bytes' })
})
after(() => open.close())

async function refused(file: Uint8Array, what: string, link = /./): Promise<void> {
  await assert.rejects(
    verifyBundle(file, JUDGES),
    (error) => {
      assert.ok(error instanceof DdmError && error.code === 'evidence', `${what}: ${(error as Error).stack}`)
      assert.match(error.message, link, what)
      return true
    },
    what
  )
}

function blocksOf(file: Uint8Array): Block[] {
  return CarBufferReader.fromBytes(file)
    .blocks()
    .map(({ cid, bytes }) => ({ cid: CID.decode(cid.bytes), bytes }))
}

function write(blocks: Block[], roots = blocks.slice(0, 1).map(({ cid }) => cid)): Uint8Array {
  const size = blocks.reduce((sum, block) => sum + CarBufferWriter.blockLength(block), 0)
  const headerSize = CarBufferWriter.headerLength({ roots })
  const writer = CarBufferWriter.createWriter(new ArrayBuffer(headerSize + size), { roots, headerSize })
  for (const block of blocks) writer.write(block)
  return writer.close()
}

const named = (code: number, bytes: Uint8Array): Block => ({
  cid: CID.createV1(code, Digest.create(0x12, sha256(bytes))),
  bytes
})

type Path = Array<string | number>

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || CID.asCID(value) !== null)
    return [path]
  return [
    path,
    ...Object.entries(value).flatMap(([key, entry]) =>
      pathsOf(entry, [...path, Array.isArray(value) ? Number(key) : key])
    )
  ]
}

/** Every way in which one value may be another: of the same kind, gone, or with something beside it. */
function changes(value: unknown): unknown[] {
  const cid = CID.asCID(value)
  if (cid !== null) return [named(cid.code, Uint8Array.of(1)).cid, cid.toString()]
  if (value instanceof Uint8Array) {
    const flipped = Uint8Array.from(value)
    flipped[flipped.length >> 1] = (flipped[flipped.length >> 1] as number) ^ 1
    return [flipped, value.slice(1), `${value}`]
  }
  if (typeof value === 'bigint' || typeof value === 'number')
    return [BigInt(value) + 1n, BigInt(value) * -1n - 1n, 0.5, `${value}`]
  if (typeof value === 'string') {
    const last = value.at(-1) === '1' ? '2' : '1'
    return [`${value.slice(0, -1)}${last}`, `${value}0`, '', 7]
  }
  if (typeof value === 'boolean') return [!value, null]
  if (Array.isArray(value)) return [[], [...value, ...value.slice(0, 1)], [...value].reverse(), { a: value }]
  return [{ ...(value as object), more: 1 }, {}, null]
}

function replaced(value: unknown, [key, ...rest]: Path, change: unknown): unknown {
  if (key === undefined) return change
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, unknown>
  if (rest.length === 0 && change === GONE) {
    if (Array.isArray(copy)) copy.splice(key as number, 1)
    else delete copy[key]
  } else copy[key] = replaced(copy[key], rest, change)
  return copy
}

const GONE = Symbol('gone')
const same = (a: unknown, b: unknown): boolean => Buffer.compare(encode(a), encode(b)) === 0

/** The block with each of its fields changed in turn, and a name for what was done. */
function* tampered(
  { bytes }: Block,
  codec: { decode: (bytes: Uint8Array) => unknown; encode: (value: never) => Uint8Array }
): Generator<[what: string, bytes: Uint8Array]> {
  const value = codec.decode(bytes)
  for (const path of pathsOf(value)) {
    const old = path.reduce<unknown>((at, key) => (at as Record<string | number, unknown>)[key], value)
    for (const change of [...changes(old), ...(path.length === 0 ? [] : [GONE])]) {
      const next = replaced(value, path, change)
      if (!same(next, value))
        yield [
          `${path.join('.')} → ${typeof change === 'symbol' ? 'gone' : String(change).slice(0, 60)}`,
          codec.encode(next as never)
        ]
    }
  }
}

interface Root {
  session: CID
  listing: CID
  statements: Array<{ link: CID; signature: Uint8Array }>
  role: string
  violation?: unknown
}

for (const name of Object.keys(FORMS)) {
  const file = () => files.get(name) as Uint8Array

  test(`a bundle ${name}: it verifies, and a file with any byte changed does not`, async () => {
    const good = file()
    await verifyBundle(good, JUDGES)
    for (let at = 0; at < good.length; at++) {
      const changed = Uint8Array.from(good)
      changed[at] = (changed[at] as number) ^ (1 << (at % 8))
      await refused(changed, `byte ${at}`, /^[^:]+: expected .*, found /s)
    }
    const change = fc.record({ at: fc.nat(good.length - 1), mask: fc.integer({ min: 1, max: 255 }) })
    const flips = fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (several) => {
      const changed = Uint8Array.from(good)
      for (const { at, mask } of several) changed[at] = (changed[at] as number) ^ mask
      if (Buffer.compare(changed, good) !== 0) await refused(changed, JSON.stringify(several))
    })
    await fc.assert(flips, { numRuns: 300 })
  })

  test(`a bundle ${name}: cut off anywhere, or with something behind it, it is refused`, async () => {
    const good = file()
    const cut = fc.asyncProperty(fc.nat(good.length - 1), (length) => refused(good.slice(0, length), `${length} bytes`))
    await fc.assert(cut, { numRuns: 200 })
    await refused(Uint8Array.from([...good, 0]), 'a byte more')
    await refused(Uint8Array.from([...good, ...good]), 'twice')
  })

  test(`a bundle ${name}: each field of each statement changed, every hash made right again, breaks its signature`, async () => {
    const [root, ...rest] = blocksOf(file()) as [Block, ...Block[]]
    const content = decode(root.bytes) as Root
    let count = 0
    for (const [index, { signature }] of content.statements.entries()) {
      const statement = rest[index] as Block
      const { kind } = decode<{ kind: string }>(statement.bytes)
      for (const [what, bytes] of tampered(statement, { decode, encode })) {
        const changed = named(0x71, bytes)
        const statements = content.statements.with(index, { link: changed.cid, signature })
        // The session is the ORDER: a forger would name the new one.
        const session = content.session.equals(statement.cid) ? changed.cid : content.session
        const next = named(0x71, encode({ ...content, statements, session }))
        const link = new RegExp(`^(${kind} → signature|statement ${index}( → kind)?): `)
        await refused(write([next, ...rest.with(index, changed)]), `${kind}: ${what}`, link)
        count++
      }
    }
    assert.ok(count > 300, `${count} changes`)
  })

  test(`a bundle ${name}: each field of its listing changed is another listing`, async () => {
    const [root, ...rest] = blocksOf(file()) as [Block, ...Block[]]
    const content = decode(root.bytes) as Root
    const at = content.statements.length
    for (const [what, bytes] of tampered(rest[at] as Block, dagJson as never)) {
      const changed = named(0x0129, bytes)
      await refused(write([named(0x71, encode({ ...content, listing: changed.cid })), ...rest.with(at, changed)]), what)
      await refused(write([root, ...rest.with(at, changed)]), what, /^block /)
    }
  })

  test(`a bundle ${name}: each field of its root changed is refused, but for what nobody signed`, async () => {
    const [root, ...rest] = blocksOf(file()) as [Block, ...Block[]]
    const content = decode(root.bytes) as Root
    const { complete } = await verifyBundle(file(), JUDGES)
    let count = 0
    for (const [what, bytes] of tampered(root, { decode, encode })) {
      const changed = write([named(0x71, bytes), ...rest])
      // What nobody's statement asks for may be held back: the rest shows less, and nothing wrong.
      if (!complete && ['voucher → gone', 'parts → '].includes(what)) await verifyBundle(changed, JUDGES)
      else await refused(changed, what)
      count++
    }
    assert.ok(count > 60, `${count} changes`)
    const role = content.role === 'buyer' ? 'seller' : 'buyer'
    const other = write([named(0x71, encode({ ...content, role })), ...rest])
    assert.equal((await verifyBundle(other, JUDGES)).role, role)
  })

  test(`a bundle ${name}: a block less, more, twice, elsewhere or under another name is refused`, async () => {
    const blocks = blocksOf(file())
    const [root] = blocks as [Block]
    for (const [index, block] of blocks.entries()) {
      await refused(write(blocks.toSpliced(index, 1)), `without block ${index}`)
      await refused(write(blocks.toSpliced(index, 0, block)), `block ${index} twice`)
      await refused(write(blocks.toSpliced(index, 0, named(0x55, Uint8Array.of(index)))), `a block before ${index}`)
      await refused(
        write(blocks.with(index, { ...block, bytes: Uint8Array.of(...block.bytes, 0) })),
        `block ${index} longer`
      )
      const before = blocks[index - 1]
      if (before !== undefined)
        await refused(write(blocks.toSpliced(index - 1, 2, block, before)), `block ${index} before`)
      for (const code of [0x55, 0x70, 0x71, 0x0129]) {
        if (code === block.cid.code) continue
        await refused(
          write(blocks.with(index, { ...block, cid: CID.createV1(code, block.cid.multihash) })),
          `block ${index} as ${code}`
        )
      }
    }
    await refused(write([...blocks, named(0x55, Uint8Array.of(1))]), 'a block more')
    await refused(write(blocks, []), 'no root', /^file|^roots: expected 1, found 0/)
    await refused(write(blocks, [root.cid, root.cid]), 'two roots', /^roots: expected 1, found 2/)
    await refused(write(blocks, [(blocks[1] as Block).cid]), 'another root', /^root: /)
    await refused(write([]), 'nothing')
  })
}

test('a bundle of another version, and one with keys that nobody knows, is refused', async () => {
  const [root, ...rest] = blocksOf(files.values().next().value as Uint8Array) as [Block, ...Block[]]
  const content = decode<object>(root.bytes)
  const as = (change: object) => write([named(0x71, encode({ ...content, ...change })), ...rest])
  await refused(as({ v: 2 }), 'version', /this program reads 1/)
  await refused(as({ note: 'x' }), 'note', /keys that are not of this version/)
})

test('a file of nothing but empty blocks, or of roots, is refused before an object is made of each', async (t) => {
  const empty = named(0x55, new Uint8Array())
  const bomb = write(Array.from({ length: 100 }, () => empty))
  const decoded = t.mock.method(CID, 'create')
  await refused(bomb, 'empty blocks', /^blocks: expected at most 19, found more/)
  const roots = Array.from({ length: 100 }, () => empty.cid)
  await refused(write([empty], roots), 'roots', /^file: expected a header of at most 1024 bytes, found 4\d{3}/)
  // Version 2 has its blocks where its header says: here in what looks like one block.
  const pragma = Uint8Array.from([10, ...encode({ version: 2 })])
  const offsets = Buffer.alloc(40)
  offsets.writeBigUInt64LE(0x7fn, 0)
  offsets.writeBigUInt64LE(51n, 16)
  offsets.writeBigUInt64LE(BigInt(bomb.length), 24)
  await refused(Buffer.concat([pragma, offsets, bomb]), 'version 2', /^file: expected a CARv1 archive/)
  // The roots of headers that are short enough.
  assert.ok(decoded.mock.callCount() <= 2, `${decoded.mock.callCount()} CIDs`)
})

test('bytes of any kind are refused, never a crash', async () => {
  const anything = fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), (bytes) => refused(bytes, 'bytes'))
  await fc.assert(anything, { numRuns: 500 })
  const asRoot = fc.asyncProperty(fc.jsonValue(), (json) => refused(write([named(0x71, encode(json))]), 'a root'))
  await fc.assert(asRoot, { numRuns: 300 })
  let deep: unknown = 1
  for (let level = 0; level < 1_000; level++) deep = [deep]
  await refused(write([named(0x71, encode(deep))]), 'deep')
  await refused(new Uint8Array((1 << 28) + 1), 'large', /^file: expected at most 268435456 bytes/)
})
