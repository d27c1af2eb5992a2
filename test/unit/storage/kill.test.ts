import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openLedger } from '../../../src/storage/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

const FIXTURE = fileURLToPath(new URL('./fixtures/append-forever.ts', import.meta.url))

/** Runs the fixture, kills it with SIGKILL after some acknowledgements, and returns all of them. */
async function runAndKill(path: string, after: number): Promise<string[]> {
  const child = spawn(process.execPath, [FIXTURE, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const acknowledged: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(line)
    if (acknowledged.length === after) child.kill('SIGKILL')
  }
  return acknowledged
}

test('kill -9 loses nothing that was acknowledged', async (t) => {
  const path = join(await tempDir(t), 'ledger.db')
  for (const after of [40, 137, 300]) {
    const lines = await runAndKill(path, after)
    assert.ok(lines.length >= after)
    const ledger = await openLedger({ path })
    try {
      const { range } = await ledger.blocks.open('log')
      const highest = { block: -1n, signed: 0n }
      for (const line of lines) {
        const [kind, number = ''] = line.split(' ')
        const value = BigInt(number)
        if (kind === 'signed') highest.signed = value > highest.signed ? value : highest.signed
        else {
          highest.block = value > highest.block ? value : highest.block
          const block = (await ledger.blocks.readMany('log', value + 2n, 1))[0]
          assert.equal(block?.first, value)
          assert.deepEqual(block.bytes, new Uint8Array(312).fill(Number(value % 251n)))
        }
      }
      assert.ok(range.head >= highest.block + 3n, 'the head covers every acknowledged block')
      const channel = await ledger.channels.payer(`0x${'22'.repeat(32)}`)
      assert.ok((channel?.signed ?? 0n) >= highest.signed, 'the signed amount is not below an acknowledged one')
    } finally {
      await ledger.close()
    }
  }
})
