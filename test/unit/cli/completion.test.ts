import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const BIN = fileURLToPath(new URL('../../../bin/ddm.js', import.meta.url))

function script(shell: string): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, 'completion', shell], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return stdout
}

const inBash = script('bash')

/** What bash offers where the cursor is: after the last word of the line. */
function offered(...words: string[]): string[] {
  const line = ['ddm', ...words]
  const ask = `COMP_WORDS=(${line.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; COMPREPLY=()
    "$(complete -p ddm | sed 's/.*-F \\([^ ]*\\) .*/\\1/')"; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', `${inBash}\n${ask}`], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.equal(stderr, '')
  return stdout.split('\n').filter((word) => word !== '')
}

test('commands, also those of a group; hidden ones are not offered', () => {
  assert.deepEqual(offered('doc'), ['doctor'])
  assert.deepEqual(offered('rec'), ['receipts'])
  assert.deepEqual(
    offered('receipts', ''),
    offered('receipts', '').sort((a, b) => Number(a.startsWith('-')) - Number(b.startsWith('-')))
  )
  for (const word of ['list', 'export', 'verify']) assert.ok(offered('receipts', '').includes(word))
  assert.ok(!offered('demo').includes('demo-buyer'))
})

test('options of the command, and those of the program after each', () => {
  assert.deepEqual(offered('buy', '0x5ea7', '--max-'), ['--max-price'])
  assert.deepEqual(offered('receipts', 'verify', '--onl'), ['--onledger'])
  assert.deepEqual(offered('--passphrase'), ['--passphrase-file'])
  assert.deepEqual(offered('sell', '--passphrase'), ['--passphrase-file'])
  assert.deepEqual(offered('search', '--max-r'), [])
})

test('values where there are only a few, files elsewhere', () => {
  assert.deepEqual(offered('demo', '--rail', ''), ['evm', 'iota'])
  assert.deepEqual(offered('demo', '--rail', 'io'), ['iota'])
  assert.deepEqual(offered('start', '--log-level', 'd'), ['debug'])
  assert.deepEqual(offered('--log-level', 'w'), ['warn'])
  assert.deepEqual(offered('completion', 'f'), ['fish'])
  // Nothing of ours: then the shell offers files.
  assert.deepEqual(offered('sell', '--config', ''), [])
  assert.match(inBash, /complete -o default -F _ddm ddm/)
})

test('a value that is called like a command is none', () => {
  assert.deepEqual(offered('--home', 'start', 'doc'), ['doctor'])
  assert.deepEqual(offered('sell', '--name', 'demo', '--clai'), ['--claim-on-close'])
})

test('what is typed is not run', () => {
  assert.deepEqual(offered('$(touch', 'x)', '--json'), ['--json'])
})

test('zsh takes the one of bash; fish has a line for each word', () => {
  assert.match(script('zsh'), /^autoload -U \+X bashcompinit && bashcompinit\n_ddm\(\)/)
  const fish = script('fish').trimEnd().split('\n')
  for (const line of fish)
    assert.match(line, /^complete -c ddm -n '[^']+' (-l [a-z0-9-]+( -r| -x -a '[a-z0-9 ]+')?|-a [a-z-]+)$/)
  assert.ok(fish.includes("complete -c ddm -n '__fish_seen_subcommand_from demo' -l rail -x -a 'evm iota'"))
  assert.ok(fish.includes("complete -c ddm -n '__fish_use_subcommand' -a doctor"))
})
