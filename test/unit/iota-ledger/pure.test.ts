import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bcs } from '@iota/iota-sdk/bcs'
import fc from 'fast-check'
import { isValueOf, shapeOf } from '../../../src/iota-ledger/pure.ts'

const bytesOf = (type: string, bytes: Iterable<number>): boolean => {
  const shape = shapeOf(type)
  return shape !== undefined && isValueOf(shape, Uint8Array.from(bytes))
}

test('values of a type are told from other bytes', () => {
  const good: Array<[type: string, bytes: Iterable<number>]> = [
    ['u8', [7]],
    ['bool', [1]],
    ['address', new Uint8Array(32)],
    ['0x2::object::ID', new Uint8Array(32)],
    ['vector<u8>', [0]],
    ['vector<vector<u16>>', [2, 1, 1, 0, 0]],
    ['0x0000000000000000000000000000000000000000000000000000000000000001::string::String', [2, 0xc3, 0xa9]],
    ['0x1::option::Option<u8>', [1, 9]],
    ['0x1::option::Option<u8>', [0]]
  ]
  const bad: Array<[type: string, bytes: Iterable<number>]> = [
    ['u8', []],
    ['u8', [1, 2]],
    ['bool', [2]],
    ['vector<u8>', [2, 1]],
    ['vector<u8>', [1, 1, 1]],
    ['vector<u8>', [0x80, 0]],
    ['vector<u8>', [0xff, 0xff, 0xff, 0xff, 0xff]],
    ['vector<u64>', [0xff, 0xff, 0xff, 0x7f]],
    ['0x1::string::String', [1, 0xff]],
    ['0x1::option::Option<u8>', [2, 1, 1]],
    ['0x2::coin::Coin<0x2::iota::IOTA>', new Uint8Array(40)],
    ['vector<0x2::coin::Coin<0x2::iota::IOTA>>', [0]],
    ['toString', []],
    [`${'vector<'.repeat(40)}u8${'>'.repeat(40)}`, [0]]
  ]
  for (const [type, bytes] of good) assert.ok(bytesOf(type, bytes), `${type} ${[...bytes]}`)
  for (const [type, bytes] of bad) assert.ok(!bytesOf(type, bytes), `${type} ${[...bytes]}`)
})

test('what the SDK writes is a value, what it would not write is none', () => {
  const vectors = bcs.vector(bcs.vector(bcs.u8()))
  fc.assert(
    fc.property(fc.array(fc.array(fc.nat(255), { maxLength: 300 }), { maxLength: 5 }), fc.nat(255), (value, more) => {
      const bytes = vectors.serialize(value).toBytes()
      assert.ok(bytesOf('vector<vector<u8>>', bytes))
      assert.ok(!bytesOf('vector<vector<u8>>', [...bytes, more]))
    })
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
      const again = (): Uint8Array => vectors.serialize(vectors.parse(bytes)).toBytes()
      let isCanonical = false
      try {
        isCanonical = Buffer.compare(again(), bytes) === 0
      } catch {}
      assert.equal(bytesOf('vector<vector<u8>>', bytes), isCanonical)
    })
  )
})
