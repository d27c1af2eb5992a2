import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { GUIDES, withTables } from '../support/doc-tables.ts'

for (const guide of GUIDES) {
  test(`the tables of ${guide.pathname.split('/').at(-1)} are those of the code`, async () => {
    const page = await readFile(guide, 'utf8')
    assert.match(page, /<!-- table: /)
    assert.equal(page, withTables(page), 'stale: node test/support/doc-tables.ts')
  })
}
