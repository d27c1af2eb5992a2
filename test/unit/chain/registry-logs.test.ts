import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeEventLog, encodeAbiParameters, encodeEventTopics, type Hex } from 'viem'
import { listingRegistryAbi } from '../../../src/chain/abi.ts'
import { type RawLog, registryEvents, STATUSES } from '../../../src/chain/registry-logs.ts'

const events = registryEvents()
const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value): Hex => `0x${Buffer.from(value).toString('hex')}`)
const PUT_DATA = ['uint32', 'bytes32', 'address', 'uint128', 'uint8', 'bytes'].map((type) => ({ type }))

function raw(topics: Hex[], data: Hex): RawLog {
  return {
    address: '0x00000000000000000000000000000000000000aa',
    topics,
    data,
    blockNumber: '0x10',
    blockHash: `0x${'b'.repeat(64)}`,
    logIndex: '0x3',
    transactionHash: `0x${'c'.repeat(64)}`
  }
}

test('a decoded ListingPut is what the ABI decoder says', () => {
  const put = fc.record({
    listingId: hex(32),
    seller: hex(20),
    version: fc.integer({ min: 0, max: 0xffffffff }),
    manifest: hex(32),
    token: hex(20),
    unitPrice: fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
    unit: fc.integer({ min: 0, max: 255 }),
    terms: fc.uint8Array({ maxLength: 200 }).map((value): Hex => `0x${Buffer.from(value).toString('hex')}`)
  })
  fc.assert(
    fc.property(put, ({ listingId, seller, version, manifest, token, unitPrice, unit, terms }) => {
      const args = { listingId, seller }
      const topics = encodeEventTopics({ abi: listingRegistryAbi, eventName: 'ListingPut', args }) as Hex[]
      const data = encodeAbiParameters(PUT_DATA, [version, manifest, token, unitPrice, unit, terms])
      const reference = decodeEventLog({ abi: listingRegistryAbi, topics: topics as [Hex], data })
      const decoded = events.decode(raw(topics, data), 99n)
      assert.equal(reference.eventName, 'ListingPut')
      assert.deepEqual(decoded, {
        event: 'ListingPut',
        blockNumber: 16n,
        blockHash: `0x${'b'.repeat(64)}`,
        logIndex: 3,
        transactionHash: `0x${'c'.repeat(64)}`,
        timestamp: 99n,
        listingId,
        seller,
        version,
        manifest,
        token,
        unitPrice,
        unit
      })
      if (reference.eventName !== 'ListingPut' || reference.args === undefined) assert.fail()
      assert.equal(reference.args.seller.toLowerCase(), seller)
      assert.equal(reference.args.token.toLowerCase(), token)
      assert.equal(reference.args.unitPrice, unitPrice)
    })
  )
})

test('status and peer binding', () => {
  const seller = '0x00000000000000000000000000000000000000bb'
  const listingId: Hex = `0x${'1'.repeat(64)}`
  const status = (code: number) => {
    const args = { listingId, seller } as const
    const topics = encodeEventTopics({ abi: listingRegistryAbi, eventName: 'ListingStatus', args }) as Hex[]
    const data = encodeAbiParameters([{ type: 'uint32' }, { type: 'uint8' }], [4, code])
    return events.decode(raw(topics, data), 1n)
  }
  for (const code of [1, 2, 3]) {
    const decoded = status(code)
    assert.ok(decoded?.event === 'ListingStatus')
    assert.deepEqual([decoded.status, decoded.version, decoded.seller], [STATUSES[code], 4, seller])
  }
  assert.equal(status(0), undefined)
  assert.equal(status(9), undefined)

  const bound = { seller, peerKey: listingId } as const
  const topics = encodeEventTopics({ abi: listingRegistryAbi, eventName: 'PeerBound', args: bound }) as Hex[]
  const decoded = events.decode(raw(topics, '0x'), 1n)
  assert.ok(decoded?.event === 'PeerBound')
  assert.deepEqual([decoded.seller, decoded.peerKey], [seller, listingId])
})

test('a log that fits no event is no event', () => {
  const [put] = events.topics as [Hex]
  assert.equal(events.decode(raw([], '0x'), 1n), undefined)
  assert.equal(events.decode(raw([put], '0x'), 1n), undefined)
  assert.equal(events.decode(raw([put, put, put], '0x1234'), 1n), undefined)
  assert.equal(events.decode(raw([`0x${'9'.repeat(64)}`, put, put], `0x${'0'.repeat(64 * 6)}`), 1n), undefined)
})
