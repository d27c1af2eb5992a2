import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { BIN, ddm, type Network, refused, serve, startNetwork } from './cli-process.ts'

/** A home from its first day to its backup: init, doctor, backup, restore, and what a shell completes. */

let network: Network

before(async () => {
  network = await startNetwork()
})

after(() => network?.close())

const home = (name: string): string[] => ['--home', join(network.folder, name)]

async function secret(name: string, text = 'correct horse battery'): Promise<string[]> {
  return ['--passphrase-file', await network.file(`${name}.secret`, `${text}\n`)]
}

interface Found {
  check: string
  state: string
  found: string
  advice?: string
  code?: string
}

async function doctor(flags: string[]): Promise<{ code: number | null; found: Map<string, Found> }> {
  const { code, stdout } = await ddm(['doctor', ...flags, '--json'])
  const lines = stdout.trim() === '' ? [] : stdout.trim().split('\n')
  const found = lines.map((line) => JSON.parse(line) as Found)
  return { code, found: new Map(found.map((one) => [one.check, one])) }
}

test('init makes a home with encrypted keys and a budget, and changes nothing that is there', async () => {
  const flags = [...home('ann'), '--network', network.profile, ...(await secret('ann'))]
  refused(await ddm(['init', ...home('ann'), '--json']), 'usage', /name the network with --network FILE/)
  const first = await ddm(['init', ...flags, '--budget-per-day', '3', '--json'])
  assert.equal(first.code, 0, first.stderr)
  const made = JSON.parse(first.stdout) as { peerId: string; account: string; joined: boolean; unencrypted: string[] }
  assert.deepEqual([made.joined, made.unencrypted], [false, []])
  assert.deepEqual(JSON.parse(await readFile(join(network.folder, 'ann', 'config.json'), 'utf8')), {
    budgetPerDay: '3'
  })
  for (const file of ['identity.key', 'wallet.json', 'voucher.json', 'receiver.json']) {
    const { mode } = await stat(join(network.folder, 'ann', file))
    assert.equal(mode & 0o777, 0o600, file)
  }
  const again = JSON.parse((await ddm(['init', ...flags, '--json'])).stdout) as typeof made
  assert.deepEqual([again.peerId, again.account, again.joined], [made.peerId, made.account, true])
  refused(
    await ddm(['init', ...home('ann'), ...(await secret('wrong', 'another horse')), '--json']),
    'keyLocked',
    /wrong passphrase/
  )
  refused(
    await ddm(['init', ...home('bob'), '--network', network.profile, ...(await secret('short', 'short')), '--json']),
    'usage',
    /at least 8/
  )
  refused(await ddm(['init', ...flags, '--budget-per-day', 'lots', '--json']), 'usage', /lots/)
})

test('doctor finds nothing wrong with a sound home, with a node that runs on it and without', async () => {
  const flags = [...home('ann'), ...(await secret('ann'))]
  const { code, found } = await doctor([...flags, '--listen', '/ip4/127.0.0.1/tcp/0'])
  assert.equal(code, 0, JSON.stringify([...found.values()]))
  assert.deepEqual(
    [...found.keys()],
    ['home', 'disk', 'network', 'keys', 'rpc', 'clock', 'balance', 'peers', 'reachability']
  )
  for (const check of ['home', 'network', 'keys', 'rpc', 'clock', 'balance', 'peers']) {
    assert.equal(found.get(check)?.state, 'ok', JSON.stringify(found.get(check)))
  }
  assert.match(found.get('reachability')?.advice ?? '', /announce/)
  const node = serve(['start', ...flags, '--listen', '/ip4/127.0.0.1/tcp/0'])
  await node.event('ready')
  assert.equal((await doctor(flags)).code, 0)
  await node.stop()
})

test('doctor names what is broken, and ends with its exit code', async () => {
  const secretFlags = await secret('ann')
  const none = await doctor([...home('nobody'), ...secretFlags])
  assert.deepEqual([none.code, none.found.get('network')?.code], [3, 'config'])
  assert.match(none.found.get('network')?.found ?? '', /has joined no network: "ddm network join FILE"/)

  const profile = JSON.parse(await readFile(network.profile, 'utf8')) as {
    chain: { genesisHash: string; rpcUrls: string[] }
    contracts: { escrowCodeHash: string }
  }
  const altered = async (name: string, change: (copy: typeof profile) => void): Promise<string[]> => {
    const copy = structuredClone(profile)
    change(copy)
    return [...home('ann'), ...secretFlags, '--network', await network.file(name, JSON.stringify(copy))]
  }
  const genesis = await doctor(
    await altered('genesis.json', ({ chain }) => {
      chain.genesisHash = `0x${'11'.repeat(32)}`
    })
  )
  assert.deepEqual([genesis.code, genesis.found.get('rpc')?.code], [6, 'networkMismatch'])
  const code = await doctor(
    await altered('code.json', ({ contracts }) => {
      contracts.escrowCodeHash = `0x${'22'.repeat(32)}`
    })
  )
  assert.deepEqual([code.code, code.found.get('rpc')?.code], [6, 'networkMismatch'])
  const silent = await doctor(
    await altered('silent.json', ({ chain }) => {
      chain.rpcUrls = ['http://127.0.0.1:9']
    })
  )
  assert.deepEqual([silent.code, silent.found.get('rpc')?.code], [7, 'unreachable'])

  const key = join(network.folder, 'ann', 'wallet.json')
  await chmod(key, 0o644)
  const open = await doctor([...home('ann'), ...secretFlags])
  await chmod(key, 0o600)
  assert.deepEqual([open.code, open.found.get('keys')?.code], [3, 'config'])
  assert.match(open.found.get('keys')?.advice ?? '', /chmod 600 .*wallet\.json/)
  const locked = await doctor([...home('ann'), ...(await secret('wrong', 'another horse'))])
  assert.deepEqual([locked.code, locked.found.get('keys')?.code], [5, 'keyLocked'])
})

test('a home is backed up while its node runs, and restored elsewhere with all that it knew', async () => {
  const seller = serve([
    'sell',
    '--name',
    'Backed up',
    '--price',
    '0.0001/record',
    '--source',
    'telemetry',
    ...network.as('seller')
  ])
  const { listing } = await seller.event('listed')
  const node = serve(['start', ...network.as('buyer')])
  await node.event('ready')
  const bought = await ddm(['buy', String(listing), '-n', '20', '--max', '0.1', ...home('buyer'), '--json'])
  assert.equal(bought.code, 0, bought.stderr)
  const file = join(network.folder, 'buyer.tar.gz')
  const written = await ddm(['backup', file, ...home('buyer'), '--json'])
  assert.equal(written.code, 0, written.stderr)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  refused(await ddm(['backup', file, ...home('buyer'), '--json']), 'usage', /exists/)
  refused(await ddm(['backup', `${file}.2`, ...home('nobody-at-all'), '--json']), 'notFound', /no home/)
  refused(await ddm(['restore', file, ...home('buyer'), '--json']), 'homeBusy', /a node runs/)
  await node.stop()

  const restored = await ddm(['restore', file, ...home('again'), '--json'])
  assert.equal(restored.code, 0, restored.stderr)
  const sessions = async (name: string): Promise<unknown> => {
    const { stdout } = await ddm([
      'sessions',
      'list',
      '--home',
      join(network.folder, name),
      '--network',
      network.profile,
      '--json'
    ])
    return stdout
  }
  assert.equal(await sessions('again'), await sessions('buyer'))
  // The same wallet goes on in the same channel.
  const flags = ['--network', network.profile, '--listen', '/ip4/127.0.0.1/tcp/0']
  const more = await ddm(['buy', String(listing), '-n', '20', '--max', '0.1', ...home('again'), ...flags, '--json'])
  assert.equal(more.code, 0, more.stderr)
  refused(await ddm(['restore', file, ...home('again'), '--json']), 'usage', /holds a home already/)
  await seller.stop()
})

test('a backup that was cut, changed or is none restores nothing', async () => {
  const file = join(network.folder, 'buyer.tar.gz')
  const bytes = await readFile(file)
  const run = promisify(execFile)
  const folder = join(network.folder, 'unpacked')
  await run('mkdir', [folder])
  await run('tar', ['xzf', file, '-C', folder])
  const wallet = join(folder, 'wallet.json')
  await writeFile(wallet, (await readFile(wallet, 'utf8')).replace('"v": 1', '"v": 2'))
  const tampered = join(network.folder, 'tampered.tar.gz')
  await run('tar', ['czf', tampered, '-C', folder, ...(await readdir(folder))])
  const cases: Array<[string, Buffer | undefined, RegExp]> = [
    ['cut.tar.gz', bytes.subarray(0, bytes.length >> 1), /was cut|no backup/],
    ['none.tar.gz', Buffer.from('not a backup at all'), /no backup/],
    ['empty.tar.gz', Buffer.alloc(0), /no backup/],
    ['tampered.tar.gz', undefined, /wallet\.json is not what was backed up/]
  ]
  for (const [name, content, why] of cases) {
    const path = join(network.folder, name)
    if (content !== undefined) await writeFile(path, content)
    refused(await ddm(['restore', path, ...home('none'), '--json']), 'evidence', why)
    await assert.rejects(stat(join(network.folder, 'none')), { code: 'ENOENT' })
  }
  refused(await ddm(['restore', join(network.folder, 'nowhere'), ...home('none'), '--json']), 'notFound', /nowhere/)
})

test('a shell completes commands, commands of groups, and options', async () => {
  const complete = async (...words: string[]): Promise<string[]> => {
    const script = `source <("$0" "$1" completion bash); shift; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _ddm; printf '%s\n' "\${COMPREPLY[@]}"`
    const { stdout } = await promisify(execFile)('bash', [
      '-c',
      script.replaceAll('\\$', '$'),
      process.execPath,
      BIN,
      ...words
    ])
    return stdout.trim().split('\n')
  }
  assert.deepEqual(await complete('ddm', 'sess'), ['sessions'])
  assert.deepEqual((await complete('ddm', 'sessions', '')).slice(0, 3), ['list', 'show', 'resume'])
  assert.deepEqual(await complete('ddm', 'buy', '0x1234', '--max'), ['--max', '--max-price'])
  for (const shell of ['zsh', 'fish']) {
    const { code, stdout } = await ddm(['completion', shell])
    assert.equal(code, 0)
    assert.match(stdout, /complete/)
  }
  refused(await ddm(['completion', 'tcsh', '--json']), 'usage', /tcsh/)
})
