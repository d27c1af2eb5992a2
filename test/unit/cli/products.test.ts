import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { Output } from '../../../src/cli/output.ts'
import { type ProductFlags, productFromFlags, productsFromFile } from '../../../src/cli/products.ts'
import { tempDir } from '../../support/temp-dir.ts'

const output = new Output({}, { stdout: new PassThrough(), stderr: new PassThrough() })

const read = (flags: ProductFlags) =>
  productFromFlags({ name: 'Air', price: ['0.0001'], source: 'telemetry', ...flags }, output)

test('flags say of a product what a file does: schema, document, cadence, credit, k, free', async (t) => {
  const folder = await tempDir(t)
  const file = async (name: string, value: unknown): Promise<string> => {
    await writeFile(join(folder, name), JSON.stringify(value))
    return join(folder, name)
  }
  const jsonSchema = { type: 'object', properties: { n: { type: 'number' } } }
  const schema = await file('schema.json', jsonSchema)
  const document = await file('document.json', { license: { spdx: 'CC0-1.0' } })
  const sold = await read({ schema, document, cadence: 1_000, credit: '0.05', k: 5, free: '2-4' })
  assert.deepEqual(sold.document, {
    license: { spdx: 'CC0-1.0' },
    schema: { encoding: 'json', jsonSchema },
    cadence: { mode: 'periodic', periodMs: 1_000 },
    freeRange: { from: 2, to: 4 }
  })
  assert.deepEqual([sold.credit, sold.k, sold.free], ['0.05', { min: 1, default: 5, max: 1_000 }, undefined])
  assert.equal((await read({ free: '10' })).free, 10)
  assert.deepEqual((await read({ k: 2_000 })).k, { min: 1, default: 2_000, max: 2_000 })
  const rows = join(folder, 'rows.csv')
  await writeFile(rows, 'a\n1\n')
  assert.equal((await read({ source: `csv:${rows}`, cadence: '1s' })).document?.cadence?.mode, 'finite')
  assert.equal((await read({})).document, undefined)

  await assert.rejects(read({ free: '4-2' }), { code: 'usage', message: /free "4-2"/ })
  await assert.rejects(read({ free: 'all' }), { code: 'usage', message: /free "all"/ })
  await assert.rejects(read({ schema: join(folder, 'none.json') }), { code: 'notFound', message: /--schema .*none/ })
  await assert.rejects(read({ document: await file('list.json', []) }), { code: 'usage', message: /no JSON object/ })
})

test('what a file says of a product is held against the schema of the API: field and value are named', async (t) => {
  const file = join(await tempDir(t), 'p.json')
  const air = { title: 'Air', price: '0', source: 'telemetry' }
  const write = (product: unknown) => writeFile(file, JSON.stringify({ products: [air, product] }))
  const refused: Array<[unknown, RegExp]> = [
    [{ ...air, credit: 0.05 }, /"credit" of product 2 is 0\.05; it must be string/],
    [{ ...air, allow: '0x12' }, /"allow" of product 2 is "0x12"; it must be array/],
    [{ ...air, source: 5 }, /"source" of product 2 is 5; it must be string/],
    [{ ...air, price: ['0', 5] }, /"price\.1" of product 2 is 5; it must be string/],
    [{ ...air, k: { min: 1 } }, /"k" of product 2 is an object; it must have required property 'default'/],
    [{ ...air, onError: 'guess' }, /"onError" of product 2 is "guess"; it must be .*: stop, skip/],
    [{ ...air, prise: '1' }, /product 2 has the unknown key "prise"; known are title/],
    [{ price: '0', source: 'telemetry' }, /product 2 has no "title"/],
    [null, /product 2 is null; it must be object/]
  ]
  for (const [product, message] of refused) {
    await write(product)
    await assert.rejects(productsFromFile(file, output), { code: 'usage', message })
  }
  const whole = { ...air, price: ['0', '1'], k: 5, free: '2-4', cadence: 1_000, check: false, allow: ['0x12'] }
  await write(whole)
  const [, sold] = await productsFromFile(file, output)
  assert.deepEqual([sold?.title, sold?.allow, sold?.k], ['Air', ['0x12'], { min: 1, default: 5, max: 1_000 }])
})
