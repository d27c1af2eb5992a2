import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { CarBufferReader } from '@ipld/car/buffer-reader'
import * as CarBufferWriter from '@ipld/car/buffer-writer'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { DdmError, verifyReceipt } from '../../src/index.ts'
import { ddm, errorOf, type Network, refused, type Server, serve, startNetwork } from './cli-process.ts'

/** Evidence of real sales, by real processes: exported by both sides, verified from the file alone, changed and refused. */

const GOOD = 300
const BAD_AT = 7
const SCHEMA = { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } }
let network: Network
let seller: Server
/** Neither a home nor a network is here. */
let elsewhere: string

const listed: Record<string, string> = {}
const rows = (count: number, bad?: number): string =>
  Array.from({ length: count }, (_, n) => JSON.stringify(n === bad ? { n: 'seven' } : { n }))
    .map((line) => `${line}\n`)
    .join('')

async function sell(): Promise<void> {
  const config = join(network.folder, 'products.json')
  seller = serve(['sell', '--config', config, ...network.as('seller'), '--set', 'inboundPerSecond=1000'])
  await seller.event('ready')
  for (const { event, title, listing } of seller.said.events) {
    if (event === 'listed') listed[String(title)] = String(listing)
  }
}

before(async () => {
  network = await startNetwork()
  elsewhere = await mkdtemp(join(tmpdir(), 'ddm-evidence-'))
  await network.file('good.jsonl', rows(GOOD))
  await network.file('bad.jsonl', rows(GOOD, BAD_AT))
  await network.file('long.jsonl', rows(20_000))
  const document = { schema: { encoding: 'json', jsonSchema: SCHEMA } }
  const products = [
    { title: 'Good air', price: '0.0001/record', source: 'jsonl:good.jsonl', document },
    { title: 'Bad air', price: '0.0001/record', source: 'jsonl:bad.jsonl', document, check: false },
    { title: 'Long air', price: '0.00001/record', source: 'jsonl:long.jsonl', document },
    { title: 'Odd air', price: '0.0001/record', source: 'jsonl:good.jsonl', document: oddSchema(), check: false }
  ]
  await network.file('products.json', JSON.stringify({ products }))
  await sell()
})

after(async () => {
  await seller?.stop()
  await network?.close()
  await rm(elsewhere, { recursive: true, force: true })
})

/** One that nobody can judge by. */
function oddSchema(): object {
  return { schema: { encoding: 'json', jsonSchema: { $ref: 'https://example.org/schema' } } }
}

type Shown = Record<string, unknown> & {
  price: Record<string, unknown>
  voucher?: Record<string, string>
  violation?: Record<string, string>
}

async function exported(session: string, home: string, name: string): Promise<{ file: string; shown: Shown }> {
  const file = join(elsewhere, name)
  const ran = await ddm(['receipts', 'export', session.slice(0, 20), '-o', file, '--json', ...network.as(home)])
  assert.equal(ran.code, 0, ran.stderr)
  return { file, shown: JSON.parse(ran.stdout) as Shown }
}

/** With nothing but the file. */
async function verified(file: string): Promise<Shown> {
  const home = join(elsewhere, 'no-home')
  const ran = await ddm(['receipts', 'verify', file, '--json', '--home', home], { cwd: elsewhere })
  assert.equal(ran.code, 0, ran.stderr)
  assert.ok(!existsSync(home), 'verifying makes no home')
  return JSON.parse(ran.stdout) as Shown
}

async function sessionOf(home: string): Promise<Record<string, string>> {
  const ran = await ddm(['receipts', 'list', '--json', ...network.as(home)])
  assert.equal(ran.code, 0, ran.stderr)
  return JSON.parse(ran.stdout.trim().split('\n').at(-1) as string) as Record<string, string>
}

const settled: { session?: string; buyer?: string; seller?: string } = {}

test('a sale is shown from the file alone: what, how much, at which price, by whom to whom, by which voucher', async () => {
  const bought = await ddm(['buy', String(listed['Good air']), '--prepay', '0.001', '--json', ...network.as('alice')])
  assert.equal(bought.code, 0, bought.stderr)
  const { session } = await sessionOf('alice')
  const { file, shown } = await exported(String(session), 'alice', 'good.car')
  const seen = await verified(file)
  assert.deepEqual({ ...seen, file, verified: undefined }, { ...shown, file, verified: undefined })
  const { records, start, bytes, due, credited, complete, acknowledged, price, violation, transcript } = seen
  const length = rows(GOOD).length - GOOD
  assert.deepEqual(
    { records, start, bytes, due, credited, complete, acknowledged, violation, transcript },
    {
      records: String(GOOD),
      start: '0',
      bytes: String(length),
      due: '30000',
      credited: '30000',
      complete: true,
      acknowledged: true,
      violation: undefined,
      transcript: true
    }
  )
  assert.deepEqual(price, { amount: '100', count: '1', unit: 'record' })
  assert.match(String(seen.payer), /^0x[0-9a-f]{40}$/)
  assert.match(String(seen.payTo), /^0x[0-9a-f]{40}$/)
  assert.match(String(seen.asset), /^eip155:31337\/erc20:0x/)
  assert.ok(seen.buyer !== seen.seller && String(seen.buyer).startsWith('12D3Koo'))
  assert.match(String(seen.voucher?.channelId), /^0x[0-9a-f]{64}$/)
  assert.ok(Number(seen.voucher?.maxClaimableAmount) >= 30_000)
  settled.session = String(session)
  settled.buyer = file
})

test('a record that breaks the schema ends the purchase with its own code; the buyer can show it to anybody', async () => {
  const output = join(network.folder, 'bad-bought.jsonl')
  const bought = await ddm(['buy', String(listed['Bad air']), '-o', output, '--json', ...network.as('bob')])
  refused(bought, 'schema', /record 7 .* breaks the listing's schema: \/n must be integer/)
  const { details } = errorOf(bought)
  assert.deepEqual([details.offset, details.records, details.paid], ['7', '7', '700'])
  assert.equal(await readFile(output, 'utf8'), rows(BAD_AT), 'what was before it is there')
  const { session, state, paid } = await sessionOf('bob')
  assert.deepEqual([session, state, paid], [details.session, 'closed', '0.0007'])
  const { file } = await exported(String(session), 'bob', 'bad.car')
  const { violation, reason, complete, acknowledged, credited, due, unpaid } = await verified(file)
  assert.deepEqual([reason, complete, acknowledged, credited], ['schema', true, true, '700'])
  assert.equal(BigInt(String(due)) - 700n, BigInt(String(unpaid)))
  assert.equal(violation?.offset, '7')
  assert.equal(Buffer.from(String(violation?.record).slice(2), 'hex').toString(), '{"n":"seven"}')
  assert.equal(violation?.reason, '/n must be integer')
  const text = await ddm(['receipts', 'verify', file], { cwd: elsewhere })
  assert.match(text.stdout, /VIOLATION: record 7 breaks the listing's schema: \/n must be integer\n.*\{"n":"seven"\}/)
})

test('who wants the records as they are gets them unchecked; a schema that nobody can check is said before paying', async () => {
  const unchecked = await ddm([
    'buy',
    String(listed['Bad air']),
    '--no-check',
    '--prepay',
    '0.001',
    ...network.as('dora')
  ])
  assert.equal(unchecked.code, 0, unchecked.stderr)
  assert.equal(unchecked.stdout, rows(GOOD, BAD_AT))
  const odd = await ddm(['buy', String(listed['Odd air']), '--json', ...network.as('bob')])
  refused(odd, 'usage', /JSON Schema of the records is not taken: .*example\.org.*--no-check/)
})

test('a session that was cut: the seller is killed, both sides export what was signed until then', async () => {
  const file = join(network.folder, 'long-bought.jsonl')
  const args = ['buy', String(listed['Long air']), '-o', file, '--k', '5', '--prepay', '0.0005', '--resume-for', '5s']
  let over = false
  const buying = ddm([...args, '--json', ...network.as('cem')]).finally(() => {
    over = true
  })
  const early = buying.then(({ stderr }) => assert.fail(`it ended before its seller was killed: ${stderr}`))
  early.catch(() => {})
  const some = (async () => {
    while (!over && (await readFile(file, 'utf8').catch(() => '')).length <= 2_000) await sleep(10)
  })()
  await Promise.race([some, early])
  process.kill(seller.pid, 'SIGKILL')
  await seller.exited
  assert.notEqual((await buying).code, 0)
  const { session, state } = await sessionOf('cem')
  assert.equal(state, 'suspended')
  const bundle = await exported(String(session), 'cem', 'cut-buyer.car')
  const seen = await verified(bundle.file)
  assert.deepEqual([seen.complete, seen.acknowledged, seen.role], [false, false, 'buyer'])
  assert.ok(Number(seen.records) > 0 && Number(seen.records) < 20_000)
  assert.ok(BigInt(String(seen.credited)) <= BigInt(String(seen.voucher?.maxClaimableAmount)))
  const sold = await exported(String(session), 'seller', 'cut-seller.car')
  const theirs = await verified(sold.file)
  assert.deepEqual([theirs.complete, theirs.session, theirs.role], [false, session, 'seller'])
  assert.ok(BigInt(String(theirs.credited)) > 0n)
})

test('the seller exports the same sales, and they agree', async () => {
  for (const [name, session] of [['good-seller.car', settled.session]] as const) {
    const { file } = await exported(String(session), 'seller', name)
    const [theirs, ours] = await Promise.all([verified(file), verified(String(settled.buyer))])
    for (const key of [
      'session',
      'records',
      'due',
      'credited',
      'root',
      'payer',
      'payTo',
      'voucher',
      'buyer',
      'seller'
    ]) {
      assert.deepEqual(theirs[key], ours[key], key)
    }
    assert.deepEqual([theirs.role, ours.role], ['seller', 'buyer'])
    settled.seller = file
  }
  await sell()
})

interface Block {
  cid: CID
  bytes: Uint8Array
}

const blocksOf = (file: Uint8Array): Block[] =>
  CarBufferReader.fromBytes(file)
    .blocks()
    .map(({ cid, bytes }) => ({ cid: CID.decode(cid.bytes), bytes }))

function carOf(blocks: Block[]): Uint8Array {
  const roots = blocks.slice(0, 1).map(({ cid }) => cid)
  const headerSize = CarBufferWriter.headerLength({ roots })
  const size = blocks.reduce((sum, block) => sum + CarBufferWriter.blockLength(block), headerSize)
  const writer = CarBufferWriter.createWriter(new ArrayBuffer(size), { roots, headerSize })
  for (const block of blocks) writer.write(block)
  return writer.close()
}

test('property: a real bundle of either side with any byte changed, any block dropped, doubled or moved is refused', async () => {
  const changed = join(elsewhere, 'changed.car')
  const isRefused = async (bytes: Uint8Array): Promise<void> => {
    await writeFile(changed, bytes)
    await assert.rejects(verifyReceipt(changed), (error) => {
      assert.ok(error instanceof DdmError && error.code === 'evidence', String(error))
      assert.ok(String(error.details.link).length > 0 && error.message.startsWith(`${error.details.link}: expected `))
      return true
    })
  }
  for (const path of [settled.buyer, settled.seller, join(elsewhere, 'bad.car'), join(elsewhere, 'cut-buyer.car')]) {
    const file = await readFile(String(path))
    const blocks = blocksOf(file)
    const flips = fc.asyncProperty(fc.nat({ max: file.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, by) =>
      isRefused(Uint8Array.from(file).with(at, (file[at] as number) ^ by))
    )
    await fc.assert(flips, { numRuns: 150 })
    const cuts = fc.asyncProperty(fc.nat({ max: file.length - 1 }), (at) => isRefused(file.subarray(0, at)))
    await fc.assert(cuts, { numRuns: 30 })
    const index = fc.nat({ max: blocks.length - 1 })
    await fc.assert(
      fc.asyncProperty(index, index, async (from, to) => {
        const block = blocks[from] as Block
        await isRefused(carOf(blocks.toSpliced(from, 1)))
        await isRefused(carOf(blocks.toSpliced(to, 0, block)))
        if (from !== to) await isRefused(carOf(blocks.toSpliced(from, 1).toSpliced(to, 0, block)))
      }),
      { numRuns: 40 }
    )
  }
})

test('a changed file is refused by the command, naming the first wrong link; of several each is told', async () => {
  const file = await readFile(String(settled.buyer))
  const changed = join(elsewhere, 'swapped.car')
  const [root, ...rest] = blocksOf(file) as [Block, ...Block[]]
  await writeFile(changed, carOf([root, ...rest.toSpliced(0, 2, rest[1] as Block, rest[0] as Block)]))
  const ran = await ddm(['receipts', 'verify', changed, '--json'], { cwd: elsewhere })
  refused(ran, 'evidence', /^block 1: expected bafy.*, found bafy/)
  assert.deepEqual(errorOf(ran).details.link, 'block 1')
  const several = await ddm(['receipts', 'verify', String(settled.buyer), changed, '--json'], { cwd: elsewhere })
  assert.equal(several.code, 17)
  const told = several.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { verified: boolean; error?: { details: { link: string } } })
  assert.deepEqual(
    told.map(({ verified: good, error }) => [good, error?.details.link]),
    [
      [true, undefined],
      [false, 'block 1']
    ]
  )
  refused(await ddm(['receipts', 'verify', join(elsewhere, 'nothing.car'), '--json']), 'notFound', /cannot read/)
  const none = await ddm(['receipts', 'export', 'bafynone', '--json', ...network.as('bob')])
  refused(none, 'notFound', /there is no session bafynone/)
})
