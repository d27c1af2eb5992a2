import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSource } from '../../../src/data/sources/parse-source.ts'
import { SUGGESTED_SOURCES } from '../../../src/web/views/suggested-sources.ts'

for (const source of SUGGESTED_SOURCES) {
  test(`the page suggests a complete source: ${source}`, async () => {
    await assert.doesNotReject(async () => parseSource(source, {}))
  })
}

test('the page suggests no source that the API refuses', () => {
  assert.ok(SUGGESTED_SOURCES.every((source) => !/^(stdin|exec:)/.test(source)))
})
