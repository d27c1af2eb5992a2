import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { printable, printableJson } from '../../../src/interface/index.ts'

/** What a terminal would act on: C0, DEL, C1, and what reorders or hides text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not come through
const DANGEROUS = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/
/** What has no width, and what covers the lines around it. */
const HIDDEN = /(?![\ufe00-\ufe0f])\p{Default_Ignorable_Code_Point}|\p{M}{9}/u

/** Text with the characters in question in it, often next to each other. */
const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '\u001b[2J',
        '\u001b]0;t\u0007',
        '\u009b1m',
        '\u202e',
        '\u2066',
        '\u200b',
        '\u034f',
        '\u3164',
        '\u{e0101}',
        '\u0351'.repeat(20),
        '\r',
        '\n',
        '\ud800',
        '"',
        '\\'
      )
    )
  )
  .map((parts) => parts.join(''))

test('escape sequences go as a whole, so that nothing of them is left to read', () => {
  assert.equal(printable('warm\u001b]0;owned\u0007er'), 'warmer')
  assert.equal(printable('\u001b[31mred\u001b[0m'), 'red')
  assert.equal(printable('\u009b2Jcleared'), 'cleared')
  assert.equal(printable('\u001b]8;;https://evil.example\u001b\\link\u001b]8;;\u001b\\'), 'link')
  assert.equal(printable('\u001bPpayload\u001b\\text'), 'text')
  assert.equal(printable('user\u202enimda'), 'usernimda')
  assert.equal(printable('zero\u200bwidth\u00adsoft'), 'zerowidthsoft')
  assert.equal(printable('a\u034f\u115f\u3164\uffa0\u{e0101}\u{e0041}b'), 'ab')
  assert.equal(printable(`Z${'\u0351'.repeat(500)}!`), `Z${'\u0351'.repeat(8)}!`)
})

test('ordinary text of any language comes through as it is', () => {
  for (const text of ['Größe °C', '気温', 'درجة', '🌡️ 21 °C', 'a\u0301', '→ "x" \\ y'])
    assert.equal(printable(text), text)
})

test('whatever a stranger writes, nothing that a terminal acts on is left, and cleaning twice changes nothing', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const shown = printable(text)
      assert.doesNotMatch(shown, DANGEROUS)
      assert.doesNotMatch(shown, HIDDEN)
      assert.ok(shown.isWellFormed())
      assert.equal(printable(shown), shown)
    })
  )
})

test('JSON keeps its meaning and shows nothing that a terminal acts on', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const json = printableJson(JSON.stringify({ text }))
      assert.doesNotMatch(json, DANGEROUS)
      assert.doesNotMatch(json, HIDDEN)
      assert.equal((JSON.parse(json) as { text: string }).text, text)
    })
  )
})
