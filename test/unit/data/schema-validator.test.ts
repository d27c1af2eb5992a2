import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createRecordValidator, type RecordValidatorInit } from '../../../src/data/index.ts'
import { type AbortOptions, DdmError, joinRecords, type RecordValidator } from '../../../src/interface/index.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Judges a batch. */
const judge = (validator: RecordValidator, records: Uint8Array[], options?: AbortOptions) =>
  validator.check(joinRecords(records), records.length, options)

async function using<T>(init: RecordValidatorInit, use: (validator: RecordValidator) => Promise<T>): Promise<T> {
  const validator = await createRecordValidator(init)
  try {
    return await use(validator)
  } finally {
    await validator.close()
  }
}

/** As long as one is open, the thread stays. */
let open: RecordValidator
before(async () => {
  open = await createRecordValidator({ encoding: 'bytes' })
})
after(() => open.close())

/** What one record is found guilty of. */
async function reasonOf(init: RecordValidatorInit, record: string | Uint8Array): Promise<string | undefined> {
  const batch = [typeof record === 'string' ? bytes(record) : record]
  return using(init, async (validator) => (await judge(validator, batch))?.reason)
}

const WEATHER = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'https://example.org/weather',
  type: 'object',
  required: ['at', 'celsius'],
  properties: {
    at: { type: 'string', format: 'date-time', pattern: '^[0-9]{4}-' },
    celsius: { type: 'number', minimum: -90, maximum: 60, unit: 'Cel' },
    gusts: { type: 'array', items: { $ref: '#/$defs/gust' }, uniqueItems: true }
  },
  additionalProperties: false,
  $defs: { gust: { type: 'object', properties: { speed: { type: 'number' } }, patternProperties: { '^x-': {} } } }
}

test('names the first record of a batch that breaks the schema, and why', async () => {
  await using({ encoding: 'json', schema: WEATHER }, async (validator) => {
    const good = bytes('{"at":"2026-01-01","celsius":20,"gusts":[{"speed":1,"x-a":0}]}')
    assert.equal(await judge(validator, []), undefined)
    assert.equal(await judge(validator, [good, good, good]), undefined)
    assert.equal(good.length, 62, 'the records stay with the caller')
    const check = (...records: string[]) => judge(validator, [good, ...records.map(bytes), bytes('neither')])
    const bad: Array<[record: string, reason: RegExp]> = [
      ['{"at":"2026-01-01","celsius":"20"}', /^\/celsius must be number$/],
      ['{"at":"2026-01-01"}', /required property 'celsius'/],
      ['{"at":"26","celsius":1}', /^\/at must match pattern/],
      ['{"at":"2026-01-01","celsius":1,"__proto__":1}', /additional properties: "__proto__"/],
      ['{"at":"2026-01-01","celsius":1,"gusts":[{"speed":"1"}]}', /^\/gusts\/0\/speed must be number$/],
      ['{"at":"2026-01-01","celsius":1', /^it is not JSON$/],
      ['', /^it is not JSON$/]
    ]
    for (const [record, reason] of bad) {
      const found = await check(record)
      assert.equal(found?.index, 1, record)
      assert.match(found.reason, reason)
    }
  })
})

test('names every bad record of a batch when asked to', async () => {
  await using({ encoding: 'json', schema: { type: 'integer' } }, async (validator) => {
    const batch = ['1', '"2"', '3', '{', '5'].map(bytes)
    const bad = await validator.checkEach(joinRecords(batch), batch.length)
    assert.deepEqual(bad, [
      { index: 1, reason: 'the record must be integer' },
      { index: 3, reason: 'it is not JSON' }
    ])
    assert.deepEqual(await validator.checkEach(joinRecords([bytes('1')]), 1), [])
    assert.deepEqual(await validator.checkEach(new Uint8Array(0), 0), [])
  })
})

test('checks the encoding and the size without a schema, too', async () => {
  assert.equal(await reasonOf({ encoding: 'json' }, '[1,{"a":null}]'), undefined)
  assert.equal(await reasonOf({ encoding: 'json' }, '{a:1}'), 'it is not JSON')
  assert.equal(await reasonOf({ encoding: 'json' }, Uint8Array.of(0x22, 0xff, 0x22)), 'it is not UTF-8')
  assert.equal(await reasonOf({ encoding: 'json' }, Uint8Array.of(0xef, 0xbb, 0xbf, 0x31)), 'it is not JSON')
  assert.equal(await reasonOf({ encoding: 'text' }, Uint8Array.of(0xc3)), 'it is not UTF-8')
  assert.equal(
    await reasonOf({ encoding: 'text', schema: { maxLength: 2 } }, 'äöü'),
    'the record must NOT have more than 2 characters'
  )
  assert.equal(await reasonOf({ encoding: 'bytes', schema: false }, Uint8Array.of(0xc3)), undefined)
  assert.equal(await reasonOf({ encoding: 'bytes', maxRecordBytes: 1 }, 'ab'), 'it has 2 bytes, at most 1 are allowed')
  assert.equal(await reasonOf({ encoding: 'json', schema: false }, '1'), 'the record must NOT be valid')
})

test('means what the standard says, not what one validator adds to it or a prototype has', async () => {
  const json = (schema: object | boolean) => ({ encoding: 'json' as const, schema })
  const cases: Array<[schema: object, record: string, good: boolean]> = [
    [{ type: 'string', nullable: true }, 'null', false],
    [{ $async: true, type: 'string' }, '1', false],
    [{ required: ['constructor'] }, '{}', false],
    [{ required: ['toString'] }, '{"toString":1}', true],
    [{ properties: { valueOf: { type: 'string' } } }, '{}', true],
    [{ format: 'email', type: 'string' }, '"x"', true],
    [{ id: 'x', discriminator: { propertyName: 'a' }, $comment: 1 }, '{}', true],
    [{ $ref: '#/definitions/n', definitions: { n: { type: 'number' } } }, '"x"', false],
    [{ $ref: '#/$defs/a~1b ü', minimum: 3, $defs: { 'a/b ü': { type: 'number' } } }, '2', false],
    [{ properties: { child: { $ref: '#' } }, additionalProperties: false }, '{"child":{"child":{"x":1}}}', false],
    [{ prefixItems: [{ type: 'number' }], items: false }, '[1,2]', false],
    [{ allOf: [{ properties: { a: true } }], unevaluatedProperties: false }, '{"a":1,"b":2}', false],
    [{ dependentRequired: { a: ['b'] } }, '{"a":1}', false],
    [JSON.parse('{"if":{"type":"number"},"then":{"minimum":1},"else":{"type":"string"}}'), 'null', false],
    [{ contains: { const: 1 }, minContains: 2 }, '[1,2]', false],
    [{ multipleOf: 0.01 }, '0.07', true],
    [{ not: { enum: [1, { a: [1] }] } }, '{"a":[1]}', false],
    [{ propertyNames: { pattern: '^[a-z]+$' } }, '{"A":1}', false]
  ]
  for (const [schema, record, good] of cases) {
    const reason = await reasonOf(json(schema), record)
    assert.equal(reason === undefined, good, `${JSON.stringify(schema)} of ${record}: ${reason}`)
  }
})

const nested = (levels: number): object => (levels === 0 ? {} : { not: nested(levels - 1) })
/** Each level asks the one below twice. */
const doubling = (levels: number): object => ({
  $ref: '#/$defs/d0',
  $defs: Object.fromEntries(
    [...Array(levels).keys()].map((level) => {
      const next = level === levels - 1 ? {} : { $ref: `#/$defs/d${level + 1}` }
      return [`d${level}`, { allOf: [next, next] }]
    })
  )
})

const REFUSED: Record<string, [schema: unknown, why: RegExp]> = {
  'an array': [[], /neither an object nor a boolean/],
  'a number': [1, /neither an object nor a boolean/],
  'an unknown type': [{ type: 'real' }, /schema is invalid/],
  'another draft': [{ $schema: 'http://json-schema.org/draft-07/schema#' }, /draft-07.*only .*2020-12/],
  'a remote reference': [{ $ref: 'http://169.254.169.254/latest' }, /169\.254.*only pointers/],
  'a remote reference deep inside': [
    { items: { anyOf: [{ $ref: 'other.json#/a' }] } },
    /^.*\/items\/anyOf\/0 .*only pointers/
  ],
  'an anchor': [{ $ref: '#a', $defs: { a: { $anchor: 'a' } } }, /only pointers/],
  'a dynamic reference': [{ $dynamicRef: '#a' }, /\$dynamicRef/],
  'a base of its own': [{ properties: { a: { $id: 'http://example.org' } } }, /\$id/],
  'a reference to nothing': [{ $ref: '#/$defs/a' }, /where no schema is/],
  'a reference to no schema': [{ $ref: '#/properties', properties: {} }, /where no schema is/],
  'a reference into what is left out': [{ $ref: '#/x-defs/a', 'x-defs': { a: {} } }, /where no schema is/],
  'a name with %': [{ $ref: '#/$defs/a%2Fb', $defs: { 'a/b': {} } }, /names with %/],
  'a reference to itself': [{ $ref: '#' }, /refers to itself/],
  'a circle': [
    { $ref: '#/$defs/a', $defs: { a: { anyOf: [{ $ref: '#/$defs/b' }] }, b: { not: { $ref: '#/$defs/a' } } } },
    /refers to itself/
  ],
  'a thousand million schemas for one value': [doubling(30), /more than 2000 schemas to one value/],
  'a limit out of the record': [{ minimum: { $data: '1/a' } }, /minimum must be number/],
  'too deep': [nested(32), /deeper than 32/],
  'too large': [{ enum: ['x'.repeat(65_536)] }, /has 65549 bytes \(limit 65536\)/],
  'a pattern that looks around': [{ pattern: '^(?=a)' }, /lookaround/],
  'a backreference': [{ patternProperties: { '(a)\\1': {} } }, /backreferences/],
  'a pattern that is none': [{ properties: { a: { pattern: '(' } } }, /no regular expression/],
  'a name of the prototype': [{ properties: JSON.parse('{"__proto__":{"type":"string"}}') }, /__proto__/],
  'a list that is none': [{ allOf: {} }, /allOf that is not a list/],
  'the items of an older draft': [{ items: [{}] }, /\/items neither|\/items is neither/],
  'what cannot be sent': [{ default: () => {} }, /could not be cloned/]
}

test('a schema that reaches out, or could take for ever, is not taken, and the message says where', async () => {
  for (const [name, [schema, why]] of Object.entries(REFUSED)) {
    await assert.rejects(createRecordValidator({ encoding: 'json', schema: schema as object }), (error) => {
      assert.ok(error instanceof DdmError, `${name}: ${error}`)
      assert.equal(error.code, 'usage', name)
      assert.match(error.message, why, name)
      return true
    })
  }
})

test('names in a schema are no code', async () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is meant to be mistaken for one
  const evil = '"];globalThis.process.exit(7);//`${process.exit(7)}\n\u2028\'\\'
  const schema = {
    required: [evil],
    properties: { [evil]: { const: evil, $ref: '#/$defs/e' } },
    patternProperties: { [`^${evil.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')}$`]: { type: 'string' } },
    $defs: { e: { enum: [evil] } }
  }
  assert.equal(await reasonOf({ encoding: 'json', schema }, JSON.stringify({ [evil]: evil })), undefined)
  assert.match((await reasonOf({ encoding: 'json', schema }, '{}')) ?? '', /must have required property/)
})

/** Compares each pair of 60,000 objects: minutes. */
const SLOW = { uniqueItems: true, items: { type: 'object' } }
const SLOW_RECORD = bytes(`[${[...Array(60_000).keys()].map((i) => `{"a":${i}}`).join(',')}]`)

test('a schema that takes too long is killed; this thread never waits, and other schemas go on', async () => {
  const other = await createRecordValidator({ encoding: 'json', schema: WEATHER })
  const slow = await createRecordValidator({ encoding: 'json', schema: SLOW, timeoutMs: 300 })
  try {
    const used = process.threadCpuUsage()
    const good = bytes('{"at":"2026-01-01","celsius":20}')
    const [killed, before] = await Promise.allSettled([judge(slow, [SLOW_RECORD]), judge(other, [good, bytes('1')])])
    const { user, system } = process.threadCpuUsage(used)
    assert.ok(killed.status === 'rejected' && killed.reason instanceof DdmError)
    assert.equal(killed.reason.code, 'badRecord')
    assert.match(killed.reason.message, /took longer than 300 ms/)
    assert.deepEqual(before.status === 'fulfilled' && before.value?.index, 1)
    // Judged on this thread it would have been busy for as long as the schema was given.
    assert.ok(user + system < 300_000, `this thread was busy for ${(user + system) / 1000} ms`)
    await assert.rejects(judge(slow, [good]), /took longer than 300 ms/, 'it is not tried again')
    assert.equal(await judge(other, [good]), undefined)
  } finally {
    await Promise.all([slow.close(), other.close()])
  }
})

test('a record that nests deeper than the stack is undecided, not a violation', async () => {
  const schema = { items: { $ref: '#' } }
  await using({ encoding: 'json', schema }, async (validator) => {
    const deep = bytes('['.repeat(500_000) + ']'.repeat(500_000))
    await assert.rejects(judge(validator, [deep]), (error) => (error as DdmError).code === 'badRecord')
    assert.equal(await judge(validator, [bytes('[[]]')]), undefined)
  })
})

test('a wait can be given up; a closed validator says so', async () => {
  const validator = await createRecordValidator({ encoding: 'json' })
  const stop = new AbortController()
  const waiting = judge(validator, [bytes('1')], { signal: stop.signal })
  stop.abort()
  await assert.rejects(waiting, (error) => (error as DdmError).code === 'aborted')
  assert.equal((await judge(validator, [bytes('x')]))?.index, 0)
  await validator.close()
  await validator.close()
  await assert.rejects(judge(validator, [bytes('1')]), /closed/)
})
