import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { MUTATIONS } from '../mutants/mutations.ts'
import { sampleOf } from '../mutants/sample.ts'

test('every bug that `npm run mutants` plants has exactly one place in the source', () => {
  for (const { name, file, from } of MUTATIONS) {
    const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
    assert.equal(source.split(from).length - 1, 1, `${name}: ${file}`)
  }
})

test('samples of six reach every bug within the days that it takes', () => {
  for (const length of [MUTATIONS.length, 54, 55, 60]) {
    const seen = new Set<number>()
    const days = Math.ceil(length / 6)
    for (let day = 20_000; day < 20_000 + days; day++) for (const place of sampleOf(6, length, day)) seen.add(place)
    assert.equal(seen.size, length)
    assert.equal(new Set(sampleOf(6, length, 1)).size, 6)
  }
})
