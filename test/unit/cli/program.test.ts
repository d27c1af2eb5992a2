import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createProgram } from '../../../src/cli/program.ts'
import { EXIT_CODES } from '../../../src/interface/index.ts'

const BIN = fileURLToPath(new URL('../../../bin/ddm.js', import.meta.url))
const GUIDE = readFileSync(new URL('../../../docs/guides/cli.md', import.meta.url), 'utf8')

function ddm(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8' })
}

test('the guide names every exit code as the program has it, and no other', () => {
  const rows = [...GUIDE.matchAll(/^\| ([0-9]+) *\| `(\w+)` *\|/gm)].map(([, code, name]) => [name, Number(code)])
  assert.deepEqual(Object.fromEntries(rows), EXIT_CODES)
  assert.equal(new Set(Object.values(EXIT_CODES)).size, Object.keys(EXIT_CODES).length)
})

test('the guide names every command and every flag that all commands take', () => {
  const program = createProgram(() => async () => {})
  for (const command of program.commands) {
    if (command.name() === 'demo-buyer') continue
    for (const name of [command.name(), ...command.commands.map((child) => child.name())]) {
      assert.match(GUIDE, new RegExp(`\`.*${name}`), `${name} is not in the guide`)
    }
  }
  for (const { long } of program.options) {
    if (long !== '--version') assert.ok(GUIDE.includes(`${long}`), `${long} is not in the guide`)
  }
})

test('help and version come from stdout with code 0', () => {
  assert.match(ddm('--help').stdout, /Usage: ddm/)
  assert.equal(ddm('--help').status, 0)
  assert.match(ddm('buy', '--help').stdout, /--max-price/)
  assert.match(ddm('--version').stdout, /^[0-9]+\.[0-9]+\.[0-9]+\n$/)
})

test('a wrong command line is code 2, one message, no stack; with --json an object', () => {
  for (const args of [
    ['frobnicate'],
    ['buy'],
    ['buy', '0x12', '--records', 'many'],
    ['--log-level', 'loud', 'search']
  ]) {
    const people = ddm(...args)
    assert.equal(people.status, 2)
    assert.match(people.stderr, /^error: /)
    assert.doesNotMatch(people.stderr, /\n\s+at /)
    const programs = ddm(...args, '--json')
    assert.equal(programs.status, 2)
    const { error } = JSON.parse(programs.stderr) as { error: { code: string; message: string } }
    assert.equal(error.code, 'usage')
    assert.notEqual(error.message, '')
  }
})

test('a file of products takes no flags that describe one: each is named, none is passed over', () => {
  const given = [
    ...['--allow', '0x12', '--deny', '0x34', '--price', '0.1', '--credit', '5', '--free', '2', '--no-check'],
    ...['--on-error', 'stop']
  ]
  const { status, stderr } = ddm('sell', '--config', 'p.json', ...given, '--claim-on-close')
  assert.equal(status, 2)
  const named = stderr.match(/^ddm: --config p\.json says everything .* what (.*) would say/)?.[1]
  assert.deepEqual(named?.split(', ').sort(), given.filter((text) => text.startsWith('--')).sort())
  // Without them the file is read.
  assert.match(ddm('sell', '--config', '/none/p.json', '--claim-on-close').stderr, /\/none\/p\.json cannot be read/)
})

test('settings that do not exist are refused by name', () => {
  const { status, stderr } = ddm('search', '--set', 'credti=1')
  assert.equal(status, 2)
  assert.match(stderr, /--set credti: there is no such setting/)
})

test('an old Node is told what to do, with code 3', () => {
  const pretend = `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'12.22.12'}})`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', pretend, BIN, '--help'], {
    encoding: 'utf8'
  })
  assert.equal(status, 3)
  assert.equal(stdout, '')
  assert.match(stderr, /needs Node 24 or newer; this is Node 12\.22\.12/)
  assert.match(stderr, /nodejs\.org/)
})

test('the program reads no more than commander before it knows the command', () => {
  const show = `import { registerHooks } from 'node:module'; registerHooks({ load (url, context, next) {
    if (/src\\/node\\/index|node_modules\\/(?!commander)/.test(url)) process.stderr.write('loaded ' + url + '\\n')
    return next(url, context) } })`
  const hook = `data:text/javascript,${encodeURIComponent(show)}`
  const { status, stderr } = spawnSync(process.execPath, ['--import', hook, BIN, '--help'], { encoding: 'utf8' })
  assert.equal(status, 0)
  assert.equal(stderr, '')
})
