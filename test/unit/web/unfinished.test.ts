import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasUnfinished, UNFINISHED } from '../../../src/web/form/unfinished.ts'

test('what is unfinished is found wherever it stands', () => {
  assert.ok(hasUnfinished(UNFINISHED))
  assert.ok(hasUnfinished({ schema: { jsonSchema: UNFINISHED } }))
  assert.ok(hasUnfinished([{}, { spatial: { point: [1, UNFINISHED] } }]))
  assert.ok(!hasUnfinished([{ point: [1, 2], text: 'a', none: null, left: undefined }]))
})
