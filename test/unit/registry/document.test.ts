import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from '@ipld/dag-json'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { DdmError, type ListingDocument } from '../../../src/interface/index.ts'
import {
  cidToManifest,
  decodeDocument,
  encodeDocument,
  listingDocumentSchema,
  manifestToCid,
  postedPrice
} from '../../../src/registry/index.ts'
import { documentOf, PEER, sha256, TOKEN } from './market.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (document: unknown) => new TextDecoder().decode(encode(document))

function assertRefused(work: () => unknown, message: RegExp): void {
  assert.throws(work, (error) => {
    assert.ok(error instanceof DdmError)
    assert.match(error.message, message)
    assert.doesNotMatch(error.message, /[\p{Cc}\p{Zl}\u202a-\u202e\u2066-\u2069]/u)
    return true
  })
}

test('a document, its bytes, its CID and its manifest are names of one thing', () => {
  const document = documentOf(1)
  const { bytes, cid, manifest } = encodeDocument(document)
  assert.deepEqual(decodeDocument(bytes), document)
  assert.equal(manifest, sha256(bytes))
  assert.equal(cidToManifest(cid), manifest)
  assert.ok(manifestToCid(manifest).equals(cid))
})

test('each thing wrong with a document is named with its path and value', () => {
  const evm = documentOf(1).payment[0]
  const cases: Array<[Record<string, unknown>, RegExp]> = [
    [{ extra: 1 }, /^\/extra is not a known field$/],
    [{ seller: { peerId: PEER, ip: '10.0.0.1' } }, /^\/seller\/ip is not a known field$/],
    [{ title: undefined }, /\/title is a undefined, not a JSON value/],
    [{ title: 'ab' }, /^\/title "ab" must NOT have fewer than 3/],
    [{ title: 'x'.repeat(121) }, /^\/title "x+ must NOT have more than 120/],
    [{ title: 'cheap\u001b[2Jdata' }, /^\/title "cheap\\u001b\[2Jdata" has control or text-direction/],
    [{ title: 'price \u202e001' }, /^\/title "price \\u202e001" has control or text-direction/],
    [{ title: 'two\nlines' }, /\/title .* has control/],
    [{ description: 'bell \u0007' }, /\/description .* has control/],
    [{ description: 'half \ud800 pair' }, /\/description has half of a surrogate pair/],
    [{ seller: { peerId: PEER, name: 'a\u2066b' } }, /\/seller\/name .* has control/],
    [
      { seller: { peerId: '12D3KooWzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz' } },
      /\/seller\/peerId .* is not the peer ID/
    ],
    [{ seller: { peerId: 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N' } }, /\/seller\/peerId .* does not match/],
    [{ id: `0x${'AB'.repeat(32)}` }, /^\/id .* does not match/],
    [{ v: 2 }, /^\/v 2 must be 1$/],
    [{ payment: [] }, /^\/payment \[\] must NOT have fewer than 1/],
    [
      { payment: [{ ...evm, price: { amount: '1.5', count: 1, unit: 'record' } }] },
      /^\/payment\/0\/price\/amount "1.5" does not match/
    ],
    [
      { payment: [{ ...evm, price: { amount: 5, count: 1, unit: 'record' } }] },
      /^\/payment\/0\/price\/amount 5 must be string/
    ],
    [{ payment: [{ ...evm, price: { amount: '9'.repeat(39), count: 1, unit: 'record' } }] }, /is 2\^128 or more/],
    [
      { payment: [{ ...evm, price: { amount: '1', count: 0, unit: 'record' } }] },
      /\/payment\/0\/price\/count 0 must be >= 1/
    ],
    [
      { payment: [{ ...evm, price: { amount: '1', count: 1, unit: 'byte' } }] },
      /\/payment\/0\/price\/unit "byte" must be one of record, KiB/
    ],
    [
      { payment: [{ ...evm, network: 'eip155:1' }] },
      /^\/payment\/0\/asset .* is not on the payment's network eip155:1/
    ],
    [{ payment: [{ ...evm, payTo: `0x${'Ab'.repeat(20)}` }] }, /^\/payment\/0\/payTo .* does not match/],
    [{ payment: [{ rail: 'free', price: { amount: '1', count: 1, unit: 'record' } }] }, /^\/payment\/0/],
    [{ payment: [{ rail: 'cash', price: { amount: '1', count: 1, unit: 'record' } }] }, /^\/payment\/0/],
    [{ freeRange: { from: 5, to: 5 } }, /^\/freeRange .* is empty/],
    [{ spatial: { point: [200, 0] } }, /^\/spatial\/point\/0 200 must be <= 180/],
    [{ spatial: { point: [0, 0, 0] } }, /^\/spatial\/point/],
    [{ spatial: { bbox: [0, 10, 1, 5] } }, /^\/spatial\/bbox .* south above its north/],
    [{ temporal: { from: '2026-02-30T00:00:00Z' } }, /\/temporal\/from .* is not a UTC time/],
    [{ temporal: { from: '2026-02-02T00:00:00Z', to: '2026-02-01T00:00:00Z' } }, /ends before it begins/],
    [{ issuedAt: '2026-11-01' }, /^\/issuedAt .* does not match/],
    [{ sample: [12345678901234567890n] }, /\/sample\/0 is a bigint/],
    [{ sample: [2 ** 60] }, /\/sample\/0 is 1152921504606847000; integers end at 2\^53/],
    [{ ext: { a: Number.NaN } }, /\/ext\/a is NaN/],
    [{ ext: { '/': 'link' } }, /\/ext has the key "\/"/],
    [{ ext: { when: new Date(0) } }, /\/ext\/when is not a JSON value/],
    [{ ext: { text: 'x'.repeat(65_536) } }, /has 6\d+ bytes; at most 65536/]
  ]
  for (const [changes, message] of cases) {
    assertRefused(() => encodeDocument({ ...documentOf(1), ...changes } as ListingDocument), message)
  }
})

test('only the canonical bytes are read', () => {
  const canonical = textOf(documentOf(1))
  assert.doesNotThrow(() => decodeDocument(bytesOf(canonical)))
  const cases: Array<[string, RegExp]> = [
    [canonical.replace(',', ', '), /not canonical/],
    [` ${canonical}`, /not canonical/],
    [canonical.replace('"v":1', '"v":1.0'), /not canonical/],
    [canonical.replace('"title":"W', '"title":"\\u0057'), /not canonical/],
    [`{"v":1,${canonical.slice(1).replace(',"v":1', '')}`, /not canonical/],
    [canonical.replace('"v":1', '"v":1,"v":1'), /not dag-json/],
    [canonical.slice(0, -1), /not dag-json/],
    [`${canonical}{}`, /not dag-json/],
    ['', /not dag-json/],
    ['[]', /must be object/],
    ['null', /must be object/],
    [canonical.replace('"v":1', '"ext":{"/":{"bytes":"AQ"}},"v":1'), /not a JSON value/],
    [canonical.replace('"v":1', '"ext":12345678901234567890,"v":1'), /not a JSON value/]
  ]
  for (const [text, message] of cases) assertRefused(() => decodeDocument(bytesOf(text)), message)
})

test('deep and large documents are refused before they are parsed', () => {
  const nested = (depth: number) => `{"ext":${'{"a":'.repeat(depth - 1)}1${'}'.repeat(depth - 1)}}`
  assertRefused(() => decodeDocument(bytesOf(nested(33))), /deeper than 32/)
  assertRefused(() => decodeDocument(bytesOf(nested(32))), /missing|known/)
  assertRefused(() => decodeDocument(bytesOf('['.repeat(60_000))), /deeper than 32/)
  assertRefused(() => decodeDocument(new Uint8Array(65_537)), /has 65537 bytes/)
  // Brackets in texts do not count.
  const document = documentOf(1, { description: `${'[{'.repeat(100)} \\" ${'['.repeat(100)}` })
  assert.deepEqual(decodeDocument(encodeDocument(document).bytes), document)
  const cyclic: Record<string, unknown> = {}
  cyclic.self = cyclic
  assertRefused(() => encodeDocument(documentOf(1, { ext: cyclic })), /deeper than 32/)
})

test('whatever encodes decodes to the same, and no mutated byte goes unnoticed', () => {
  const { bytes, manifest } = encodeDocument(documentOf(1, { ext: { list: [1, -2.5, 1e-7, null, true, 'é𝄞'] } }))
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const mutated = Uint8Array.from(bytes)
      mutated[at] = (mutated[at] ?? 0) ^ flip
      try {
        const decoded = encodeDocument(decodeDocument(mutated))
        assert.deepEqual(decoded.bytes, mutated)
        assert.notEqual(decoded.manifest, manifest)
      } catch (error) {
        assert.ok(error instanceof DdmError)
      }
    }),
    { numRuns: 2_000 }
  )
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
      const document = documentOf(1, { ext: { value } })
      let encoded: Uint8Array
      try {
        encoded = encodeDocument(document).bytes
      } catch (error) {
        assert.ok(error instanceof DdmError)
        return
      }
      assert.deepEqual(encodeDocument(decodeDocument(encoded)).bytes, encoded)
    })
  )
})

test('what is posted of a price', () => {
  const evm = documentOf(1).payment[0]
  const other = { ...evm, network: 'eip155:5', asset: `eip155:5/erc20:${TOKEN}` }
  const free = { rail: 'free', price: { amount: '0', count: 1, unit: 'KiB' } }
  const price = (payment: unknown[]) => postedPrice(documentOf(1, { payment } as Partial<ListingDocument>), 31337)
  assert.deepEqual(price([evm]), { token: TOKEN, unitPrice: 100n, unit: 1 })
  assert.deepEqual(price([other, free, evm]), { token: TOKEN, unitPrice: 100n, unit: 1 })
  assert.deepEqual(price([other, free]), { token: `0x${'00'.repeat(20)}`, unitPrice: 0n, unit: 2 })
  const dear = { ...evm, price: { amount: '100', count: 3, unit: 'KiB' } }
  assert.deepEqual(price([dear]), { token: TOKEN, unitPrice: 34n, unit: 2 })
  assertRefused(() => price([other]), /no way to pay on eip155:31337; it names eip155:5/)
})

test('the schema of documents is a schema', () => {
  const ajv = new Ajv2020({ strict: true, strictTypes: false, strictTuples: false, strictRequired: false })
  assert.ok(ajv.validateSchema(listingDocumentSchema), ajv.errorsText())
})
