import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { decodeCanonical, encodeCanonical, FieldError, statementLink } from '../../../src/statements/index.ts'

const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))

const REFUSED: Array<[string, string, RegExp]> = [
  ['nothing at all', '', /not DAG-CBOR/],
  ['an integer in more bytes than needed', '1801', /not DAG-CBOR/],
  ['an indefinite-length list', '9f01ff', /not DAG-CBOR/],
  ['trailing bytes', '0101', /not DAG-CBOR/],
  ['a duplicate key', 'a2616101616102', /not DAG-CBOR/],
  ['keys out of order', 'a2616201616101', /not canonical/],
  ['longer key first', 'a262616101616202', /not canonical/],
  ['an integer key', 'a10102', /not DAG-CBOR/],
  ['a tag other than 42', 'c101', /not DAG-CBOR/],
  ['a bignum', 'c24101', /not DAG-CBOR/],
  ['undefined', 'f7', /payload/],
  ['NaN', 'fb7ff8000000000000', /payload/],
  ['infinity', 'fb7ff0000000000000', /payload/],
  ['text that is not UTF-8', '61ff', /not canonical/],
  ['a float', 'fb3ff8000000000000', /float/],
  ['a float of an integral value', 'fb3ff0000000000000', /not canonical/],
  ['a float of an integral value beyond 2^53', 'fb43b0000000000000', /float/],
  ['such a float in a map', 'a1617afb43b0000000000000', /float/],
  ['minus zero', 'fb8000000000000000', /not canonical/],
  ['a half float', 'f93c00', /not canonical/],
  ['text cut short', '6568656c', /not DAG-CBOR/],
  ['a list that claims 2^32 entries', '9affffffff', /not DAG-CBOR/],
  ['bytes that claim 2^63', '5b7fffffffffffffff', /not DAG-CBOR/]
]

for (const [what, hex, message] of REFUSED) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => decodeCanonical(fromHex(hex)),
      (error: Error) => error instanceof FieldError && message.test(error.message)
    )
  })
}

test('integers of 64 bits, text, bytes, links and null come back as they went', () => {
  const value = {
    u64: (1n << 64n) - 1n,
    safe: 2 ** 53 - 1,
    beyond: 2n ** 53n,
    negative: -1,
    text: 'ä€😀',
    bytes: new Uint8Array([0, 255]),
    link: statementLink(new Uint8Array([1])),
    list: [null, true, []]
  }
  const back = decodeCanonical(encodeCanonical(value)) as typeof value
  assert.equal(back.u64, value.u64)
  assert.equal(back.safe, value.safe)
  assert.equal(back.beyond, value.beyond)
  assert.deepEqual(back.bytes, value.bytes)
  assert.ok(CID.asCID(back.link)?.equals(value.link))
  assert.deepEqual(back.list, value.list)
})

test('a map with the key __proto__ changes no prototype', () => {
  const back = decodeCanonical(fromHex('a1695f5f70726f746f5f5fa1616101')) as Record<string, unknown>
  assert.equal(Object.getPrototypeOf(back), Object.prototype)
  assert.equal(back.a, undefined)
})

function nested(depth: number): Uint8Array {
  const bytes = new Uint8Array(depth + 1).fill(0x81)
  bytes[depth] = 0
  return bytes
}

test('nesting is refused beyond 32 levels, whatever the depth of the stack', () => {
  assert.doesNotThrow(() => decodeCanonical(nested(32)))
  for (const depth of [33, 100, 3_000, 4_000, 10_000, 64 * 1024 - 1]) {
    assert.throws(() => decodeCanonical(nested(depth)), FieldError, `depth ${depth}`)
  }
  // Maps of one key each, as deep as a control frame allows.
  const bomb = fromHex(`${'a16161'.repeat(21_000)}00`)
  assert.throws(() => decodeCanonical(bomb), FieldError)
})

test('property: whatever decodes re-encodes to the same bytes; nothing else than FieldError is thrown', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        assert.deepEqual(Buffer.from(encodeCanonical(decodeCanonical(bytes))), Buffer.from(bytes))
      } catch (error) {
        assert.ok(error instanceof FieldError, String(error))
      }
    }),
    { numRuns: 3_000 }
  )
})
