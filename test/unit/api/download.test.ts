import assert from 'node:assert/strict'
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ApiHost } from '../../../src/api/operation.ts'
import { downloadPurchase } from '../../../src/api/operations/purchases.ts'
import { fileSink } from '../../../src/node/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

test('a record stays one line and one row, whatever separators of Unicode are in it', async (t) => {
  const file = join(await tempDir(t), 'kept.jsonl')
  const download = async (format: 'jsonl' | 'csv'): Promise<string> => {
    const host = { purchases: { file: () => file } } as unknown as ApiHost
    const input = { params: { purchase: 'p' }, query: { format }, body: undefined }
    const { body } = await downloadPurchase.run(host, input, { signal: t.signal })
    let text = ''
    for await (const part of body) text += part
    return text
  }
  const records = [
    '{"a":"one\u2028two","b":1}',
    '{"a":"\u2029\u0085","b":2}',
    '"no\u2028object"',
    'no\rJSON\u2029at all'
  ]
  const sink = await fileSink(file)
  await sink.write(records.map((record, index) => ({ offset: BigInt(index), bytes: Buffer.from(record) })))
  await sink.close()
  const lines = [...records.slice(0, 3), '"no\\rJSON\u2029at all"', '']
  assert.deepEqual((await download('jsonl')).split('\n'), lines)
  const rows = ['a,b,value', 'one\u2028two,1,', '\u2029\u0085,2,', ',,no\u2028object', ',,"no\rJSON\u2029at all"', '']
  assert.deepEqual((await download('csv')).split('\r\n'), rows)
  await appendFile(file, '{"a":"being writt')
  assert.deepEqual((await download('jsonl')).split('\n'), lines)
  assert.deepEqual((await download('csv')).split('\r\n'), rows)
})
