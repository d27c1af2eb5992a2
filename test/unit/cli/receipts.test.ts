import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sha256 } from '../../../src/statements/index.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { type Lie, makeBundle, makePeople, without } from '../evidence/bundle.ts'

const BIN = fileURLToPath(new URL('../../../bin/ddm.js', import.meta.url))
const people = await makePeople()

/** What `ddm receipts verify` prints of a bundle. */
async function printed(t: TestContext, lie: Lie = {}, ...flags: string[]): Promise<string> {
  const file = join(await tempDir(t), 'session.car')
  await writeFile(file, await makeBundle(people, lie))
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, 'receipts', 'verify', file, ...flags], {
    encoding: 'utf8'
  })
  assert.equal(status, 0, stderr)
  return stdout
}

test('who signed for a channel is told, and that its payer is only named by it', async (t) => {
  const signer = people.voucherSigner.address.toLowerCase()
  const named = people.payer.address.toLowerCase()
  const text = await printed(t)
  assert.match(text, new RegExp(`^ {2}paid in eip155:\\S+ through escrow 0xe5\\S+; ${signer} signed for it$`, 'm'))
  assert.match(
    text,
    new RegExp(`^ {2}payer {2}${named}: named by the channel; its deposit on the chain shows it$`, 'm')
  )
  assert.doesNotMatch(text, /paid by/)
  const { payer, payerAuthorizer } = JSON.parse(await printed(t, {}, '--json')) as Record<string, string>
  assert.deepEqual([payer, payerAuthorizer], [named, signer])
})

test('nothing is paid before something was credited', async (t) => {
  const text = await printed(t, { statements: without('invoice', 'receipt', 'receipt-ack') })
  assert.match(text, /^ {2}to be paid in eip155:/m)
  assert.doesNotMatch(text, /^ {2}paid/m)
})

test('parts that are not in the file are not explained by what nobody knows', async (t) => {
  const lie: Lie = { statements: without('receipt', 'receipt-ack'), parts: () => [] }
  assert.match(await printed(t, lie), /parts not in the file: the root of the transcript is signed, not shown/)
})

test("what only the file says is told as the file's word", async (t) => {
  const recorded: Lie['recorded'] = ([, order]) => {
    const record = { medium: 'iota', network: 'iota:6364aad5', transaction: 'tx0', by: '0xa1' } as const
    return [{ ...record, digest: sha256(order?.payload ?? new Uint8Array()), at: 0, index: 0, count: 1 }]
  }
  assert.match(
    await printed(t, { recorded }),
    /order recorded on iota \(iota:6364aad5\) by tx0 at 1970-01-01T00:00:00.000Z, by the file's word$/m
  )
})
