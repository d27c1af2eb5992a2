import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nothingFound } from '../../../src/cli/nothing-found.ts'

test('an empty market is not a search without matches', () => {
  assert.match(nothingFound({ words: [], empty: true }), /no listings yet.*ddm sell.*--unconfirmed/)
  assert.match(nothingFound({ words: ['wind'], empty: true }), /no listings yet/)
  assert.doesNotMatch(nothingFound({ words: [], unconfirmed: true, empty: true }), /--unconfirmed/)
})

test('a search without matches names what it asked for', () => {
  assert.equal(nothingFound({ words: ['harbour', 'wind'], empty: false }), 'No listing has all of: harbour wind')
  assert.equal(nothingFound({ words: ['wind'], seller: '12D3', empty: false }), 'No listing of 12D3 has all of: wind')
  assert.equal(nothingFound({ words: [], seller: '12D3', empty: false }), 'No listing of 12D3 was found.')
  assert.match(nothingFound({ words: [], narrowed: true, empty: false }), /^No listing with that place and price/)
})
