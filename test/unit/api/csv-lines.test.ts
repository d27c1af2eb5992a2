import assert from 'node:assert/strict'
import { test } from 'node:test'
import { csvLines, csvTable } from '../../../src/api/csv-lines.ts'

async function* from(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines
}

async function csvOf(lines: readonly string[], later: readonly string[] = []): Promise<string> {
  const table = await csvTable(from(lines))
  let csv = ''
  for await (const line of csvLines(from([...lines, ...later]), table)) csv += line
  return csv
}

test('every field of any record has a column, and a long number stays what it is', async () => {
  const lines = [
    '{"id":12345678901234567890,"a":1}',
    '{"late":-0.1234567890123456789,"id":2,"b":{"c":1.00000000000000000001}}',
    '"text"'
  ]
  const expected = [
    'id,a,late,b,value',
    '12345678901234567890,1,,,',
    '2,,-0.1234567890123456789,"{""c"":1.00000000000000000001}",',
    ',,,,text',
    ''
  ]
  assert.equal(await csvOf(lines), expected.join('\r\n'))
})

test('text that a spreadsheet would take for a formula stays text; numbers are numbers', async () => {
  const lines = ['{"a":"=1+1","b":-1,"c":"-1","=d":null}']
  assert.equal(await csvOf(lines), "a,b,c,'=d\r\n'=1+1,-1,'-1,\r\n")
})

test('records that come while the table is read are in the next one', async () => {
  assert.equal(await csvOf(['{"a":1}'], ['{"b":2}']), 'a\r\n1\r\n')
  assert.equal(await csvOf([], ['{"b":2}']), '')
})

test('more fields than a table can have are refused', async () => {
  const lines = Array.from({ length: 20_000 }, (_, i) => `{"f${i}":1}`)
  await assert.rejects(csvOf(lines), /more than 16384 different fields/)
})
