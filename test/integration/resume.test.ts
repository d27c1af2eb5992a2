import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createNode } from '../../src/index.ts'
import { onFaultPoint } from '../../src/interface/index.ts'
import { ddm, type Network, type Ran, type Server, serve, startNetwork } from './cli-process.ts'

/** Sellers and buyers that are killed in the middle of a sale, as separate processes, and what is in the file then. */

const ROWS = 20_000
let network: Network
let seller: Server
let listing: string

const sell = async (listen?: string): Promise<void> => {
  const flags = network.as('seller')
  if (listen !== undefined) flags[flags.indexOf('--listen') + 1] = listen
  seller = serve([
    'sell',
    ...['--name', 'Long air', '--price', '0.00001/record', '--source', `csv:${join(network.folder, 'air.csv')}`],
    ...flags,
    ...['--set', 'inboundPerSecond=1000']
  ])
  listing = String((await seller.event('listed')).listing)
  await seller.event('ready')
}

before(async () => {
  network = await startNetwork()
  await network.file('air.csv', `n\n${Array.from({ length: ROWS }, (_, i) => i).join('\n')}\n`)
  await sell()
})

after(async () => {
  await seller?.stop()
  await network?.close()
})

async function kill(pid: number, exited: Promise<unknown>): Promise<void> {
  process.kill(pid, 'SIGKILL')
  await exited
}

async function linesOf(file: string): Promise<number[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { n: number }).n)
}

/** Waits until the file has some records, but not all. */
async function underWay(file: string, done: Promise<Ran>): Promise<void> {
  let ended: Ran | undefined
  void done.then((ran) => {
    ended = ran
  })
  while ((await linesOf(file)).length <= 200) {
    assert.equal(ended, undefined, `it ended: ${ended?.stderr}`)
    await sleep(10)
  }
}

/** Every record once and in order; names the first that is not. */
async function assertWhole(file: string): Promise<void> {
  const lines = await linesOf(file)
  const wrong = lines.findIndex((n, index) => n !== index)
  assert.equal(wrong, -1, `line ${wrong} of ${lines.length} is ${lines[wrong]}`)
  assert.equal(lines.length, ROWS)
}

const slowly = ['--k', '5', '--prepay', '0.0005', '--max', '0.5']

function buying(name: string, file: string): { done: Promise<Ran>; pid: () => number } {
  let pid = 0
  const args = ['buy', listing, ...slowly, '-o', file, ...network.as(name), '--json']
  const done = ddm(args, {
    onStart: (child) => {
      pid = child.pid ?? 0
    }
  })
  return { done, pid: () => pid }
}

test('a seller is killed and comes back: the purchase goes on by itself, every record once', async () => {
  const file = join(network.folder, 'alice.jsonl')
  const { done } = buying('alice', file)
  await underWay(file, done)
  await kill(seller.pid, seller.exited)
  const before = (await linesOf(file)).length
  assert.ok(before < ROWS, `${before} of ${ROWS} before the kill`)
  await sell()
  const ran = await done
  assert.equal(ran.code, 0, ran.stderr)
  await assertWhole(file)
  const { records, due, paid, resumes } = JSON.parse(ran.stdout.trim()) as Record<string, unknown>
  assert.deepEqual({ records, due, paid }, { records: ROWS, due: '0.2', paid: '0.2' })
  assert.ok(Number(resumes) >= 1)
})

test('a buyer is killed: the session is listed, and goes on in the same file, every record once', async () => {
  const file = join(network.folder, 'bob.jsonl')
  const { done, pid } = buying('bob', file)
  await underWay(file, done)
  await kill(pid(), done)
  assert.ok((await linesOf(file)).length < ROWS)
  const listed = await ddm(['sessions', 'list', '--json', ...network.as('bob')])
  const session = JSON.parse(listed.stdout.trim()) as { session: string; records: number; state: string }
  assert.ok(session.records < ROWS, listed.stdout)
  const resumed = await ddm(['sessions', 'resume', session.session.slice(0, 20), '--json', ...network.as('bob')])
  assert.equal(resumed.code, 0, resumed.stderr)
  await assertWhole(file)
  const receipt = join(network.folder, 'bob.car')
  const exported = await ddm(['receipts', 'export', session.session, '-o', receipt, ...network.as('bob')])
  assert.equal(exported.code, 0, exported.stderr)
  const verified = await ddm(['receipts', 'verify', receipt, '--json'])
  const { records, due } = JSON.parse(verified.stdout) as { records: string; due: string }
  assert.deepEqual([Number(records), Number(due)], [ROWS, 200_000])
})

test('both are killed: after both are back the rest is bought', async () => {
  const file = join(network.folder, 'carol.jsonl')
  const { done, pid } = buying('carol', file)
  await underWay(file, done)
  await Promise.all([kill(pid(), done), kill(seller.pid, seller.exited)])
  await sell()
  const listed = await ddm(['sessions', 'list', '--json', ...network.as('carol')])
  const { session } = JSON.parse(listed.stdout.trim()) as { session: string }
  const resumed = await ddm(['sessions', 'resume', session, '--json', ...network.as('carol')])
  assert.equal(resumed.code, 0, resumed.stderr)
  await assertWhole(file)
})

test('the seller moves to where only a relay reaches it: the purchase goes on over the relay', async () => {
  const file = join(network.folder, 'dora.jsonl')
  const { done } = buying('dora', file)
  await underWay(file, done)
  await kill(seller.pid, seller.exited)
  await sell('/p2p-circuit')
  const ran = await done
  assert.equal(ran.code, 0, ran.stderr)
  await assertWhole(file)
  const { due, paid, resumes } = JSON.parse(ran.stdout.trim()) as Record<string, unknown>
  assert.deepEqual({ due, paid }, { due: '0.2', paid: '0.2' })
  assert.ok(Number(resumes) >= 1)
})

test('an acknowledgement that died with its seller is sent again by itself when the seller is back', async () => {
  const node = await createNode({
    home: join(network.folder, 'eve'),
    network: network.profile,
    insecureDevKeys: true,
    config: { listen: ['/ip4/127.0.0.1/tcp/0'], logLevel: 'silent' }
  })
  try {
    await node.listings.synced()
    onFaultPoint((point) => {
      if (point === 'acknowledgement.stored') process.kill(seller.pid, 'SIGKILL')
    })
    const purchase = node.buy(listing, { records: 5, max: '0.01' })
    for await (const _ of purchase);
    const { session } = await purchase.done
    onFaultPoint(undefined)
    const state = async (): Promise<string> => (await node.sessions.get(session)).state
    await seller.exited
    assert.equal(await state(), 'receipted')
    await sell()
    for (let i = 0; i < 600 && (await state()) !== 'closed'; i++) await sleep(100)
    assert.equal(await state(), 'closed')
    await assert.rejects(node.sessions.resume(session), /is complete/)
  } finally {
    onFaultPoint(undefined)
    await node.stop()
  }
})
