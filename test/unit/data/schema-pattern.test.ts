import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compilePattern } from '../../../src/data/schema/pattern.ts'

const CASES: Array<[pattern: string, texts: string[]]> = [
  ['', ['', 'a']],
  ['^$', ['', 'a']],
  ['^[a-z]+$', ['abc', 'aBc', '', 'abc\n']],
  ['a|bc|', ['', 'x']],
  ['^(?:a|bc)$', ['a', 'bc', 'abc', '']],
  ['^a|b$', ['ax', 'xb', 'xax', 'ba']],
  ['^(a?){3}$', ['', 'a', 'aaa', 'aaaa']],
  ['^a{2,}$', ['a', 'aa', 'aaaaa']],
  ['^a{2,3}?$', ['a', 'aa', 'aaa', 'aaaa']],
  ['^(?<year>\\d{4})-(\\d\\d)$', ['2026-01', '226-01', '2026-1', '2026-01-']],
  ['\\bcat\\b', ['cat', 'a cat!', 'concat', 'cat_']],
  ['\\Bcat', ['concat', 'cat']],
  ['^\\p{Lu}\\P{L}$', ['É9', 'é9', 'ÉÉ']],
  ['^.$', ['a', '😀', '\n', '\ud83d', '']],
  ['^[^]$', ['\n', '😀']],
  ['^[]$', ['', 'a']],
  ['^\\ud83d\\ude00\\u{1f600}\\u0041\\x41\\cA\\0$', ['😀😀AA\u0001\u0000', '😀😀AA\u0001']],
  ['^[\\]\\\\a-c\\d]+$', [']\\b7', 'd']],
  ['^\\/\\.\\*$', ['/.*', '/a*']],
  ['(x+x+)+y', ['xxxxxxxxxy', 'xxxxxxxxx']],
  ['^(?:(?:)*a)*$', ['aaa', 'b', '']],
  ['^(?:\\b)+a', ['a', ' a']],
  ['(^a)*b', ['aab', 'b', 'xb']],
  ['\\s\\S\\w\\W\\d\\D', [' aa-1x', 'aaa-1x']]
]

test('means what RegExp means', () => {
  for (const [source, texts] of CASES) {
    const expected = new RegExp(source, 'u')
    const pattern = compilePattern(source)
    for (const text of texts) assert.equal(pattern.test(text), expected.test(text), `/${source}/u on ${text}`)
  }
})

test('means what RegExp means, for any small pattern and text', () => {
  const letter = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', '^', '$', '\\b', '😀', '\\d')
  const { pattern } = fc.letrec<{ pattern: string; group: string }>((tie) => ({
    group: fc
      .tuple(tie('pattern'), fc.constantFrom('', '*', '+', '?', '{2}', '{0,2}', '{1,}', '*?'))
      .map(([inner, q]) => `(${inner})${q}`),
    pattern: fc.oneof(
      { maxDepth: 4 },
      letter,
      fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => a + b),
      fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `(?:${a}|${b})`),
      tie('group')
    )
  }))
  const text = fc
    .array(fc.constantFrom('a', 'b', '1', ' ', '😀', '\n'), { maxLength: 6 })
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 8 }), (source, texts) => {
      const expected = new RegExp(source, 'u')
      const mine = compilePattern(source)
      for (const one of texts)
        assert.equal(mine.test(one), expected.test(one), `/${source}/u on ${JSON.stringify(one)}`)
    }),
    { numRuns: 3_000 }
  )
})

test('takes time linear in the text, whatever the pattern', () => {
  const text = `${'a'.repeat(50_000)}!`
  for (const source of ['^(a+)+$', '^(a|a)*$', '(.*)*x', '^(([a-z])+.)+[A-Z]([a-z])+$', 'a*a*a*a*a*b']) {
    const startedAt = performance.now()
    assert.equal(compilePattern(source).test(text), false)
    const took = performance.now() - startedAt
    // Backtracking needs years for the first.
    assert.ok(took < 60_000, `${source}: ${took} ms`)
  }
})

const REFUSED: Array<[pattern: string, why: RegExp]> = [
  ['(?=a)b', /lookaround/],
  ['(?!a)b', /lookaround/],
  ['(?<=a)b', /lookaround/],
  ['(?<!a)b', /lookaround/],
  ['(a)\\1', /backreferences/],
  ['(?<x>a)\\k<x>', /backreferences/],
  ['(?i:a)', /modifiers|no regular expression/],
  ['(', /no regular expression/],
  ['a{2', /no regular expression/],
  ['((a{100}){100}){100}', /more than 1000 steps/],
  ['((?:){0,9999999}){9999999}', /more than 1000 steps/],
  ['a'.repeat(1_001), /1001 characters/]
]

test('refuses what could take for ever, naming it', () => {
  for (const [source, why] of REFUSED) assert.throws(() => compilePattern(source), why, source)
})
