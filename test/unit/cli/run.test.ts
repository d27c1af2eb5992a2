import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { EXIT_CODES } from '../../../src/interface/index.ts'

const RUN = new URL('../../../src/cli/run.ts', import.meta.url).href

/** A command that begins when it is told to. */
const WAITING = `
  import { once } from 'node:events'
  import { run } from ${JSON.stringify(RUN)}
  console.log('ready')
  await once(process.stdin, 'data')
  process.exit(await run(['--no-such-flag']))
`

test('nobody reads what is said on stderr any more: the command ends as it would have', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', WAITING])
  await once(child.stdout, 'data')
  child.stderr.destroy()
  await once(child.stderr, 'close')
  child.stdin.end('go')
  assert.deepEqual(await once(child, 'exit'), [EXIT_CODES.usage, null])
})
