import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import * as dagJson from '@ipld/dag-json'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import { type ListingDocument, splitRecords } from '../../../src/interface/index.ts'
import { decodeData, encodeData } from '../../../src/protocols/sdpp/data-frame.ts'
import { Deframer, FIRST_IGNORABLE_KIND } from '../../../src/protocols/sdpp/frame.ts'
import { decodeMessage, type Message } from '../../../src/protocols/sdpp/messages.ts'
import { recordRulesOf } from '../../../src/protocols/sdpp/record-rules.ts'
import { SdppError, STATUS, type StatusName } from '../../../src/protocols/sdpp/status.ts'
import {
  createSigner,
  fromHex,
  readAnyStatement,
  signingBytes,
  toHex,
  transcriptStart,
  verifyStatement
} from '../../../src/statements/index.ts'
import { makeVectors, toJson, VECTORS } from '../../support/make-vectors.ts'

interface Invalid {
  name: string
  frame: string
  status: number
  error: StatusName
}

function load<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`sdpp-${name}.json`, VECTORS), 'utf8')) as T
}

/** Reads a frame the way a session does: its message, or the code it is refused with. */
function read(frame: string): Message {
  const messages: Message[] = []
  const deframer = new Deframer((kind, body) => messages.push(decodeMessage(kind, body)))
  deframer.push(fromHex(frame))
  const [message] = messages
  assert.ok(message !== undefined && messages.length === 1)
  if ('statement' in message && !verifyStatement(message.statement)) {
    throw new SdppError(STATUS.badSignature, 'bad signature')
  }
  return message
}

function refuses({ name, frame, status, error }: Invalid): void {
  assert.equal(STATUS[error], status)
  assert.throws(
    () => read(frame),
    (thrown: unknown) => thrown instanceof SdppError && thrown.code === status,
    name
  )
}

test('the committed files are what the generator makes', () => {
  for (const [name, text] of Object.entries(makeVectors())) {
    const committed = readFileSync(new URL(name, VECTORS), 'utf8')
    assert.equal(committed, text, `${name} is stale: node test/support/make-vectors.ts`)
  }
})

describe('frames', () => {
  const file = load<{ valid: Array<{ name: string; kind: number; body: string; frame: string }>; invalid: Invalid[] }>(
    'frames'
  )
  for (const { name, kind, body, frame } of file.valid) {
    test(name, () => {
      const seen: Array<[number, string]> = []
      new Deframer((k, b) => seen.push([k, toHex(b)])).push(fromHex(frame))
      assert.deepEqual(seen, [[kind, body]])
      if (kind < FIRST_IGNORABLE_KIND) read(frame)
    })
  }
  for (const vector of file.invalid) test(`refused: ${vector.name}`, () => refuses(vector))
  for (const { name, bytes } of load<{ truncated: Array<{ name: string; bytes: string }> }>('frames').truncated) {
    test(`cut off ${name}`, () => {
      const deframer = new Deframer(() => assert.fail('there is no whole frame'))
      deframer.push(fromHex(bytes))
      assert.equal(deframer.idle, false)
    })
  }
})

describe('messages', () => {
  const file = load<{
    valid: Array<{ name: string; message: string; value: unknown; frame: string }>
    unknownKeys: Array<{ name: string; message: string; value: unknown; frame: string }>
    invalid: Invalid[]
  }>('messages')
  for (const { name, message, value, frame } of [...file.valid, ...file.unknownKeys]) {
    test(`${message}: ${name}`, () => {
      const read_ = read(frame)
      assert.equal(read_.name, message)
      assert.ok('content' in read_)
      assert.deepEqual(toJson(read_.content), value)
    })
  }
  for (const vector of file.invalid) test(`refused: ${vector.name}`, () => refuses(vector))
})

describe('statements', () => {
  type Statement = Record<'name' | 'kind' | 'payload' | 'cid' | 'signedBytes' | 'signature' | 'frame', string> & {
    value: { iss: string }
  }
  const file = load<{
    keys: Array<{ seed: string; peerId: string }>
    valid: Statement[]
    unknownKeys: Statement[]
    invalid: Invalid[]
  }>('statements')
  for (const vector of [...file.valid, ...file.unknownKeys]) {
    test(`${vector.kind}: ${vector.name}`, () => {
      const payload = fromHex(vector.payload)
      const statement = readAnyStatement(payload, fromHex(vector.signature))
      assert.equal(statement.kind, vector.kind)
      assert.equal(statement.cid, vector.cid)
      assert.deepEqual(toJson(statement.content), vector.value)
      assert.ok(verifyStatement(statement))
      assert.equal(toHex(signingBytes(vector.kind, payload)), vector.signedBytes)
      const key = file.keys.find(({ peerId }) => peerId === vector.value.iss)
      assert.ok(key !== undefined)
      const again = createSigner(key.peerId, fromHex(key.seed)).sign(fromHex(vector.signedBytes))
      assert.equal(toHex(again), vector.signature)
      const message = read(vector.frame)
      assert.ok('statement' in message && message.statement.cid === vector.cid)
    })
  }
  for (const vector of file.invalid) test(`refused: ${vector.name}`, () => refuses(vector))
})

describe('data', () => {
  type Data = Record<'name' | 'blockStart' | 'first' | 'frame', string> & {
    count: number
    endOfBlock: boolean
    records: string[]
  }
  const file = load<{ valid: Data[]; invalid: Invalid[] }>('data')
  for (const { name, frame, records, ...expected } of file.valid) {
    test(name, () => {
      const { blockStart, first, count, endOfBlock, bytes } = decodeData(fromHex(frame).subarray(5))
      assert.deepEqual(toJson({ blockStart, first, count, endOfBlock }), expected)
      assert.deepEqual(splitRecords(bytes, count).map(toHex), records)
      assert.equal(toHex(encodeData({ blockStart, first, count, endOfBlock, bytes })), frame)
    })
  }
  for (const vector of file.invalid) test(`refused: ${vector.name}`, () => refuses(vector))
})

test('transcript: every root by the formula, from the file alone', () => {
  interface File {
    session: string
    sessionBytes: string
    c0: string
    blocks: string[][]
    roots: Array<{ start: string; n: string; root: string }>
  }
  const file = load<File>('transcript')
  const hash = (...parts: Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest()
  assert.equal(toHex(CID.parse(file.session).bytes), file.sessionBytes)
  assert.equal(toHex(transcriptStart(fromHex(file.sessionBytes))), file.c0)
  for (const { start, n, root } of file.roots) {
    let c = hash(Buffer.from('ddm-sdpp/2/transcript'), fromHex(file.sessionBytes))
    let offset = 0
    for (const block of file.blocks) {
      const from = Math.max(offset, Number(start))
      const to = Math.min(offset + block.length, Number(start) + Number(n))
      if (from < to) {
        const part = block.slice(from - offset, to - offset).map((record) => {
          const bytes = fromHex(record)
          return Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes])
        })
        const fixed = Buffer.alloc(12)
        fixed.writeBigUInt64BE(BigInt(from))
        fixed.writeUInt32BE(to - from, 8)
        c = hash(c, fixed, hash(...part))
      }
      offset += block.length
    }
    assert.equal(toHex(c), root, `from ${start} at ${n}`)
  }
})

test('money: due and positions of invoices, by arithmetic written down again', () => {
  interface File {
    due: Array<{
      name: string
      price: { amount: string; count: string; unit: string }
      records: string
      bytes: string
      due: string
    }>
    invoicePositions: Array<{ k: string; start: string; after: string; next: string }>
  }
  const file = load<File>('money')
  for (const { name, price, records, bytes, due } of file.due) {
    const units = price.unit === 'KiB' ? BigInt(bytes) : BigInt(records)
    const per = BigInt(price.count) * (price.unit === 'KiB' ? 1_024n : 1n)
    const total = units * BigInt(price.amount)
    assert.equal(BigInt(due), total / per + (total % per === 0n ? 0n : 1n), name)
  }
  for (const { k, start, after, next } of file.invoicePositions) {
    const n = BigInt(next)
    assert.ok(n > BigInt(after) && n <= BigInt(after) + BigInt(k))
    assert.equal((BigInt(start) + n) % BigInt(k), 0n)
  }
})

describe('terms, by arithmetic written down again', () => {
  interface PriceText {
    amount: string
    count: string
    unit: string
  }
  type Texts<K extends string> = Record<K, string>
  type Range = Texts<'from' | 'to'> | null
  interface File {
    agreement: Array<
      Texts<'name' | 'maxRecordBytes' | 'credit' | 'k' | 'prepay' | 'maximum'> & {
        price: PriceText
        accept?: Texts<'k' | 'ahead'>
        refused?: { status: number; have: string; need: string }
      }
    >
    until: Array<{ start: string; order: Partial<Texts<'quantity' | 'until'>>; until: string | null }>
    offered: Array<{ listed: PriceText; offer: PriceText; status: number | null }>
    target: Array<
      Texts<'name' | 'start' | 'records' | 'bytes' | 'ahead' | 'maximum' | 'target'> & {
        price: PriceText
        until: string | null
        last: string | null
        free: Range
      }
    >
    window: Array<
      Texts<'name' | 'credit' | 'credited' | 'maximum' | 'records' | 'bytes' | 'first'> & {
        price: PriceText
        channel: string | null
        free: Range
        next: number[]
        slice: number
      }
    >
  }
  const file = load<File>('terms')
  const owed = ({ amount, count, unit }: PriceText, records: bigint, bytes: bigint): bigint => {
    const total = (unit === 'KiB' ? bytes : records) * BigInt(amount)
    const per = BigInt(count) * (unit === 'KiB' ? 1_024n : 1n)
    return total / per + (total % per === 0n ? 0n : 1n)
  }
  const costs = (free: Range, offset: bigint): boolean =>
    free === null || offset < BigInt(free.from) || offset >= BigInt(free.to)
  const least = (...amounts: Array<string | bigint | null>): bigint =>
    amounts.filter((amount) => amount !== null).reduce<bigint>((a, b) => (BigInt(b) < a ? BigInt(b) : a), 2n ** 200n)

  test('what ACCEPT says of k and ahead', () => {
    for (const { name, price, maxRecordBytes, credit, k, prepay, maximum, accept, refused } of file.agreement) {
      const cost = (n: bigint): bigint => owed(price, n, n * BigInt(maxRecordBytes))
      const both = BigInt(credit) + BigInt(prepay)
      if (refused !== undefined) {
        const { status, have, need } = refused
        assert.deepEqual([status, BigInt(have), BigInt(need)], [203, both, cost(1n)], name)
        assert.ok(both < cost(1n) && maximum !== '0', name)
        continue
      }
      const ahead = maximum === '0' || cost(BigInt(k)) <= BigInt(credit) ? '0' : prepay
      let agreed = BigInt(k)
      while (maximum !== '0' && agreed > 1n && cost(agreed) > BigInt(credit) + BigInt(ahead)) {
        agreed = agreed / 2n + (agreed % 2n)
      }
      assert.deepEqual(accept, { k: agreed.toString(), ahead }, name)
    }
  })

  test('where an order ends', () => {
    for (const { start, order, until } of file.until) {
      const { quantity } = order
      const byQuantity = quantity === undefined ? null : least(BigInt(start) + BigInt(quantity), 2n ** 64n - 1n)
      const ends = [byQuantity, order.until ?? null].filter((end) => end !== null)
      assert.equal(until, ends.length === 0 ? null : least(...ends).toString())
    }
  })

  test('which price is dearer', () => {
    for (const { listed, offer, status } of file.offered) {
      const dearer = BigInt(offer.amount) * BigInt(listed.count) > BigInt(listed.amount) * BigInt(offer.count)
      const refusal = offer.count === '0' ? STATUS.malformed : dearer ? STATUS.priceChanged : null
      assert.equal(status, offer.unit === listed.unit ? refusal : STATUS.termsOutsideOffer)
    }
  })

  test('what a buyer pays', () => {
    for (const { name, price, start, until, last, free, records, bytes, ahead, maximum, target } of file.target) {
      let most = BigInt(maximum)
      if (price.unit === 'record' && (until !== null || last !== null)) {
        let billable = 0n
        for (let offset = BigInt(start); offset < least(until, last); offset++) if (costs(free, offset)) billable++
        most = least(most, owed(price, billable, 0n))
      }
      assert.equal(target, least(most, owed(price, BigInt(records), BigInt(bytes)) + BigInt(ahead)).toString(), name)
    }
  })

  test('how many records a seller sends', () => {
    for (const { name, price, free, first, next, slice, ...row } of file.window) {
      const limit = least(BigInt(row.credited) + BigInt(row.credit), row.maximum, row.channel)
      let [records, bytes, sent] = [BigInt(row.records), BigInt(row.bytes), 0]
      for (const length of next) {
        if (costs(free, BigInt(first) + BigInt(sent))) {
          records++
          bytes += BigInt(length)
          if (owed(price, records, bytes) > limit) break
        }
        sent++
      }
      assert.equal(slice, sent, name)
    }
  })
})

test('binding: digests of the offer and the buyer, the nonce left-aligned', () => {
  const file = load<{
    cases: Array<Record<'offer' | 'buyer' | 'nonce' | 'offerDigest' | 'buyerPeerDigest' | 'orderNonce', string>>
  }>('binding')
  assert.equal(file.cases.length, 2)
  for (const { offer, buyer, nonce, offerDigest, buyerPeerDigest, orderNonce } of file.cases) {
    assert.equal(toHex(CID.parse(offer).bytes.subarray(4)), offerDigest)
    assert.equal(toHex(createHash('sha256').update(base58btc.baseDecode(buyer)).digest()), buyerPeerDigest)
    assert.equal(`${nonce}${'00'.repeat(16)}`, orderNonce)
  }
})

test('the digest of a schema is that of its canonical form, whatever its JSON looks like', () => {
  const { cases } = load<{ cases: Array<{ json: string; bytes: string; digest: string }> }>('schema')
  const document = (jsonSchema: Record<string, unknown>): ListingDocument =>
    ({ schema: { encoding: 'json', jsonSchema } }) as ListingDocument
  for (const { json, bytes, digest } of cases) {
    // As a document has it.
    assert.equal(new TextDecoder().decode(dagJson.encode(JSON.parse(json))), json)
    assert.equal(createHash('sha256').update(fromHex(bytes)).digest('hex'), digest.slice(2))
    assert.equal(toHex(recordRulesOf(document(JSON.parse(json))).schema ?? new Uint8Array()), digest)
  }
  assert.ok(cases.some(({ bytes }) => bytes.includes('fb3fe0000000000000')))
})
