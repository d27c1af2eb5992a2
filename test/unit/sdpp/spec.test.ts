import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { FRAME } from '../../../src/protocols/sdpp/frame.ts'
import { SDPP_PROTOCOL } from '../../../src/protocols/sdpp/index.ts'
import { MESSAGE_SHAPES, SIGNED_FRAMES } from '../../../src/protocols/sdpp/messages.ts'
import { STATEMENT_SHAPES } from '../../../src/statements/index.ts'
import { makeVectors } from '../../support/make-vectors.ts'
import { SPEC, withTables } from '../../support/spec-tables.ts'

const document = readFileSync(SPEC, 'utf8')

/** Text from the heading of a message to the next heading. */
function section(name: string): string {
  const from = document.indexOf(`\n### ${name}\n`)
  assert.notEqual(from, -1, `no section ${name}`)
  const to = document.indexOf('\n#', from + 1)
  return document.slice(from, to)
}

/** Every key that a value has, however deep. */
function keysOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) return value.flatMap(keysOf)
  return Object.entries(value).flatMap(([key, entry]) => [key, ...keysOf(entry)])
}

test('the tables of the specification are those of the code', () => {
  assert.equal(document, withTables(document), 'stale: node test/support/spec-tables.ts')
})

test('every message has its section, and every key of its vectors is in it', () => {
  const EVERYWHERE = ['kind', 'iss', 'at', 'amount', 'count', 'unit', 'channelId', 'maxClaimableAmount', 'signature']
  const vectors = makeVectors()
  const valid = (name: string): Array<{ kind: string; message: string; value: unknown }> =>
    JSON.parse(vectors[`sdpp-${name}.json`] as string).valid
  const seen = new Set<string>()
  for (const { kind, message, value } of [...valid('statements'), ...valid('messages')]) {
    const name = message ?? Object.entries(SIGNED_FRAMES).find(([, k]) => k === kind)?.[0]
    seen.add(name)
    if (name === 'PING') continue
    // What the rails put into a PAYMENT is described there.
    const text = name === 'RESUME' ? section(name) + section('PAYMENT') : section(name)
    for (const key of keysOf(value)) {
      if (!EVERYWHERE.includes(key)) assert.match(text, new RegExp(`\`${key}\\??\``), `${name}: ${key}`)
    }
  }
  // Every frame but DATA, which has a file of its own, is among the vectors.
  const all = [...Object.keys(MESSAGE_SHAPES), ...Object.keys(SIGNED_FRAMES)]
  assert.deepEqual([...seen].sort(), all.sort())
  assert.deepEqual([...all, 'DATA'].sort(), Object.keys(FRAME).sort())
  assert.deepEqual(Object.values(SIGNED_FRAMES).sort(), Object.keys(STATEMENT_SHAPES).sort())
})

test('links inside of the specification lead somewhere, and the protocol ID is the one in use', () => {
  const headings = [...document.matchAll(/^#+ (.+)$/gm)].map((match) =>
    (match[1] as string).toLowerCase().replace(/ /g, '-')
  )
  for (const [, anchor] of document.matchAll(/\]\(#([^)]+)\)/g)) assert.ok(headings.includes(anchor as string), anchor)
  assert.ok(document.includes(`\`${SDPP_PROTOCOL}\``))
})
