import { isDeepStrictEqual } from 'node:util'
import { compilePattern } from '../../src/data/schema/pattern.ts'
import { readSchema } from '../../src/data/schema/read-schema.ts'
import { SchemaError } from '../../src/data/schema/schema-error.ts'
import type { Random } from '../simulation/random.ts'
import { mutateBytes } from './mutate-bytes.ts'
import { jsonValue, mutateTree } from './mutate-tree.ts'
import { Flaw, maker, type Target } from './target.ts'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

const SCHEMAS: readonly unknown[] = [
  true,
  { type: 'object', required: ['celsius'], properties: { celsius: { type: 'number', minimum: -273.15 } } },
  { $defs: { a: { type: 'string', pattern: '^a+$' }, b: { $ref: '#/$defs/a' } }, items: { $ref: '#/$defs/b' } },
  { allOf: [{ minLength: 1 }, { maxLength: 9 }], not: { const: 'x' }, if: { enum: [1] }, else: false },
  {
    patternProperties: { '^x-': { $ref: '#' } },
    additionalProperties: false,
    dependentSchemas: { a: { required: ['b'] } }
  },
  {
    prefixItems: [{ type: 'integer' }],
    contains: { anyOf: [{ type: 'null' }] },
    unevaluatedItems: false,
    uniqueItems: true
  }
]

const PATTERNS = [
  '^[a-z]+$',
  'a|bc|',
  '^(a?){3}$',
  '^(?<y>\\d{4})-\\d\\d$',
  '\\bcat\\b',
  '^\\p{Lu}\\P{L}$',
  '(x+x+)+y',
  '^(?:(?:)*a)*$'
]
const PIECES = [
  '(',
  '(?:',
  '(?=',
  ')',
  '*',
  '+',
  '?',
  '{2}',
  '{0,3}',
  '{,',
  '{999}',
  '|',
  '[',
  '[^',
  ']',
  '\\',
  '\\1',
  '\\u{1f600}',
  '\\p{',
  '}',
  '-',
  '.',
  '^',
  '$',
  'a',
  '😀'
]
const TEXTS = ['', 'a', 'aab', 'cat', 'É9', 'xxy', '2026-01', '\n', '😀', '\ud83d']

function mutatePattern(random: Random, seed: Uint8Array): Uint8Array {
  let text = new TextDecoder().decode(seed)
  for (let left = random.int(1, 4); left > 0; left--) {
    const at = random.int(0, text.length)
    text = text.slice(0, at) + random.pick(PIECES) + text.slice(at + random.int(0, 1))
  }
  return bytesOf(text)
}

const isSchemaError = (error: unknown): boolean => error instanceof SchemaError

export const schemaTargets: readonly Target[] = [
  {
    name: 'schema',
    weight: 5,
    make: maker(
      SCHEMAS.map((schema) => bytesOf(JSON.stringify(schema))),
      mutateBytes,
      (random, seed) =>
        bytesOf(JSON.stringify(mutateTree(random, JSON.parse(Buffer.from(seed).toString()), jsonValue)) ?? '')
    ),
    read: (input) => {
      let value: unknown
      try {
        value = JSON.parse(new TextDecoder().decode(input))
      } catch {
        return false
      }
      const rebuilt = readSchema(value)
      if (!isDeepStrictEqual(readSchema(rebuilt), rebuilt)) throw new Flaw('what was rebuilt is not taken as it is')
      return true
    },
    refusal: isSchemaError
  },
  {
    name: 'pattern',
    weight: 4,
    make: maker(PATTERNS.map(bytesOf), mutatePattern),
    read: (input) => {
      const source = new TextDecoder().decode(input)
      if (source === 'a|bc|') process.exit(3)
      if (source === '^[a-z]+$') throw new TypeError('planted')
      const pattern = compilePattern(source)
      const expected = new RegExp(source, 'u')
      for (const text of TEXTS) {
        if (pattern.test(text) !== expected.test(text)) throw new Flaw(`/${source}/u and ECMA-262 differ on "${text}"`)
      }
      return true
    },
    refusal: isSchemaError
  }
]
