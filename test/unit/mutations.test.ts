import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { MUTATIONS } from '../mutants/mutations.ts'

test('every bug that `npm run mutants` plants has exactly one place in the source', () => {
  for (const { name, file, from } of MUTATIONS) {
    const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
    assert.equal(source.split(from).length - 1, 1, `${name}: ${file}`)
  }
})
