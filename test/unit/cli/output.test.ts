import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { Output, type OutputFlags } from '../../../src/cli/output.ts'
import { DdmError } from '../../../src/interface/index.ts'

class Screen extends Writable {
  text = ''
  readonly isTTY: boolean
  constructor(isTTY: boolean) {
    super()
    this.isTTY = isTTY
  }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

function open(
  flags: OutputFlags = {},
  isTTY = false,
  stop?: AbortSignal
): { output: Output; stdout: Screen; stderr: Screen } {
  const stdout = new Screen(isTTY)
  const stderr = new Screen(isTTY)
  return { output: new Output(flags, { stdout, stderr }, stop), stdout, stderr }
}

test('people get lines, programs one JSON object', () => {
  const people = open()
  people.output.result({ a: 1 }, 'one', 'two\u001b[2J')
  assert.equal(people.stdout.text, 'one\ntwo\n')
  const programs = open({ json: true })
  programs.output.result({ amount: 10n ** 20n, title: 'a\u202eb' }, 'one')
  assert.equal(programs.stdout.text, '{"amount":"100000000000000000000","title":"a\\u202eb"}\n')
})

test('an expected error is one line with its message, never a stack, even while debugging', () => {
  for (const debug of [false, true]) {
    const { output, stderr } = open()
    output.error(new DdmError('notFound', 'no listing 0x12\nat evil (file.ts:1)'), { debug })
    assert.equal(stderr.text, 'ddm: no listing 0x12at evil (file.ts:1)\n')
  }
})

test('an unexpected error is one line; where it came from is for --log-level debug', () => {
  const short = open()
  short.output.error(new TypeError('x is undefined'))
  assert.equal(short.stderr.text, 'ddm: x is undefined (unexpected; --log-level debug shows where)\n')
  const long = open()
  long.output.error(new TypeError('x is undefined'), { debug: true })
  assert.match(long.stderr.text, /^ddm: x is undefined\n {2}TypeError: x is undefined\n.*at /s)
})

test('programs get an error as one object on stderr, with both numbers', () => {
  const { output, stdout, stderr } = open({ json: true })
  output.error(new DdmError('priceAboveLimit', 'too dear', { details: { price: '0.002', max: '0.001' } }))
  const error = { code: 'priceAboveLimit', message: 'too dear', details: { price: '0.002', max: '0.001' } }
  assert.deepEqual(JSON.parse(stderr.text), { error })
  assert.equal(stdout.text, '')
})

test('progress is for a terminal: not for files, not with --quiet, not with --json', () => {
  for (const [flags, isTTY] of [
    [{}, false],
    [{ quiet: true }, true],
    [{ json: true }, true]
  ] as const) {
    const { output, stderr } = open(flags, isTTY)
    output.progress('50 records')
    assert.equal(stderr.text, '')
  }
  const { output, stdout, stderr } = open({}, true)
  output.progress('50 records', 'x'.repeat(500))
  output.progress('60 records')
  output.result(undefined, 'done')
  assert.ok(stderr.text.startsWith('50 records\n'))
  assert.ok(stderr.text.includes('\u001b[2A\u001b[J60 records\n\u001b[1A\u001b[J'))
  assert.ok(stderr.text.split('\n').every((line) => line.length < 100))
  assert.equal(stdout.text, 'done\n')
})

test('a command that was asked to end shows no more progress: its terminal may be gone', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const stop = new AbortController()
  const { output, stderr } = open({}, true, stop.signal)
  t.after(output.watch(() => 'buying'))
  t.mock.timers.tick(250)
  assert.equal(stderr.text, 'buying\n')
  stop.abort()
  t.mock.timers.tick(5_000)
  output.progress('settling')
  assert.equal(stderr.text, 'buying\n')
  output.note('settled')
  assert.ok(stderr.text.endsWith('settled\n'))
})

test('long work is named at a terminal while it lasts, and nowhere else', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { output, stderr, stdout } = open({}, true)
  const work = Promise.withResolvers<number>()
  const done = output.during('Copying', work.promise)
  assert.equal(stderr.text, '')
  t.mock.timers.tick(250)
  assert.match(stderr.text, /^Copying … [0-9]+ s\n$/)
  work.resolve(7)
  assert.equal(await done, 7)
  assert.ok(stderr.text.endsWith(' s\n\u001b[1A\u001b[J'))
  t.mock.timers.tick(5_000)
  assert.equal(stdout.text, '')
  assert.ok(stderr.text.endsWith('J'), 'nothing is said after it')
  await assert.rejects(output.during('Copying', Promise.reject(new Error('no'))), /no/)
  const file = open()
  const other = Promise.withResolvers<void>()
  const silent = file.output.during('Copying', other.promise)
  t.mock.timers.tick(5_000)
  other.resolve()
  await silent
  assert.equal(file.stderr.text, '')
})
