import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ddm, type Network, type Ran, type Server, serve, startNetwork } from './cli-process.ts'

/** A seller that is told to stop while it sells. */

let network: Network

before(async () => {
  network = await startNetwork()
})

after(async () => {
  await network?.close()
})

interface Selling {
  seller: Server
  buyer: ChildProcess
  bought: Promise<Ran>
}

/** A sale under way: the buyer has some records, and there are always more. */
async function selling(name: string): Promise<Selling> {
  const flags = ['--name', name, '--price', '0.0001/record', '--source', 'telemetry', '--period', '10ms']
  const seller = serve(['sell', ...flags, ...network.as(name)])
  const { listing } = await seller.event('listed')
  await seller.event('ready')
  const started = Promise.withResolvers<ChildProcess>()
  const bought = ddm(['buy', String(listing), '--json', ...network.as(`${name}-buyer`)], { onStart: started.resolve })
  const buyer = await started.promise
  let records = 0
  while (records < 50) {
    const early = bought.then(({ stderr }) => assert.fail(`it ended early: ${stderr}`))
    const [text] = (await Promise.race([once(buyer.stdout as NodeJS.ReadableStream, 'data'), early])) as [string]
    records += text.split('\n').length - 1
  }
  return { seller, buyer, bought }
}

test('a seller that is stopped in the middle of a session finishes it: nothing is unpaid, and both have the receipt', async () => {
  const { seller, bought } = await selling('orderly')
  const stopped = await seller.stop()
  assert.equal(stopped.code, 0, stopped.stderr)
  const { code, stdout, stderr } = await bought
  assert.equal(code, 0, stderr)
  const outcome = JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '') as Record<string, string | number>
  assert.equal(outcome.due, outcome.paid)
  assert.equal(outcome.records, stdout.trimEnd().split('\n').length)
  assert.ok(Number(outcome.records) >= 50)

  const views = []
  for (const home of ['orderly', 'orderly-buyer']) {
    const file = join(network.folder, `${home}.car`)
    const exported = await ddm([
      'receipts',
      'export',
      String(outcome.session),
      '-o',
      file,
      ...network.as(home),
      '--json'
    ])
    assert.equal(exported.code, 0, exported.stderr)
    const verified = await ddm(['receipts', 'verify', file, '--json'])
    assert.equal(verified.code, 0, verified.stderr)
    const { complete, acknowledged, records, due, credited } = JSON.parse(verified.stdout) as Record<string, unknown>
    assert.deepEqual([complete, acknowledged, due], [true, true, credited], home)
    views.push([records, due])
  }
  assert.deepEqual(views[0], views[1])
  assert.equal(Number(views[0]?.[0]), outcome.records)
})

test('a buyer whose terminal is closed settles: it is hung up, and nobody reads its stderr any more', async () => {
  const { seller, buyer, bought } = await selling('hung-up')
  buyer.stderr?.destroy()
  buyer.kill('SIGHUP')
  assert.equal((await bought).code, 0)
  assert.equal((await seller.stop()).code, 0)
  const listed = await ddm(['receipts', 'list', ...network.as('hung-up-buyer'), '--json'])
  assert.equal(listed.code, 0, listed.stderr)
  const { due, paid } = JSON.parse(listed.stdout) as Record<string, string>
  assert.ok(Number(due) > 0)
  assert.equal(due, paid)
})

test('a seller that waits for a buyer that does not answer ends at once when it is told a second time', async () => {
  const { seller, buyer, bought } = await selling('hasty')
  // It keeps its connection, and says nothing any more.
  buyer.kill('SIGSTOP')
  process.kill(seller.pid, 'SIGTERM')
  // Its API is gone when it has begun to stop.
  const address = join(network.folder, 'hasty', 'api.json')
  for (let tries = 0; tries < 6_000 && existsSync(address); tries++) await sleep(10)
  assert.ok(!existsSync(address))
  process.kill(seller.pid, 'SIGTERM')
  const { code } = await seller.exited
  assert.equal(code, 143)
  buyer.kill('SIGKILL')
  await bought

  const again = await ddm(['receipts', 'list', ...network.as('hasty'), '--json'])
  assert.equal(again.code, 0, again.stderr)
  const { due, paid } = JSON.parse(again.stdout) as { due: string; paid: string }
  assert.ok(BigInt(paid.replace('.', '')) > 0n && Number(paid) <= Number(due), `due ${due}, paid ${paid}`)
})
