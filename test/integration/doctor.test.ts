import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { EXIT_CODES } from '../../src/interface/index.ts'
import { diagnose, type Finding } from '../../src/node/index.ts'
import { BIN, ddm, type Network, refused, serve, startNetwork } from './cli-process.ts'

/** `ddm init` and `ddm doctor` on a real network, of which one thing after the other is broken. */

let network: Network
let passphrase: string

before(async () => {
  network = await startNetwork()
  passphrase = await network.file('passphrase', 'correct horse battery staple\n')
})

after(() => network?.close())

function home(name: string): string {
  return join(network.folder, name)
}

/** A mount of its own, without being root. */
const UNSHARE = 'unshare'
/** A terminal of its own. */
const SCRIPT = 'script'
const LOOPBACK = ['--listen', '/ip4/127.0.0.1/tcp/0']

async function init(name: string, ...more: string[]): Promise<Record<string, unknown>> {
  const where = ['--home', home(name), '--network', network.profile, '--passphrase-file', passphrase]
  const ran = await ddm(['init', ...where, ...more, '--json'])
  assert.equal(ran.code, 0, ran.stderr)
  return JSON.parse(ran.stdout) as Record<string, unknown>
}

interface Diagnosis {
  code: number | null
  findings: Finding[]
  of: (check: string) => Finding | undefined
}

async function doctor(name: string, ...more: string[]): Promise<Diagnosis> {
  const ran = await ddm(['doctor', '--home', home(name), '--passphrase-file', passphrase, ...more, '--json'])
  const findings = ran.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Finding)
  assert.doesNotMatch(ran.stderr, /\n\s+at /)
  return { code: ran.code, findings, of: (check) => findings.find((finding) => finding.check === check) }
}

function failed({ code, of }: Diagnosis, check: string, error: keyof typeof EXIT_CODES, found: RegExp): void {
  const finding = of(check)
  assert.equal(finding?.state, 'fail', JSON.stringify(finding))
  assert.equal(finding?.code, error)
  assert.match(`${finding?.found} ${finding?.advice}`, found)
  assert.equal(code, EXIT_CODES[error])
}

test('init makes a home, says what is there the second time, and changes none of it', async () => {
  const made = await init('ada', '--budget-per-day', '5')
  assert.deepEqual([made.network, made.joined, made.unencrypted], ['local', false, []])
  assert.equal((await stat(home('ada'))).mode & 0o777, 0o700)
  assert.deepEqual(JSON.parse(await readFile(join(home('ada'), 'config.json'), 'utf8')), { budgetPerDay: '5' })
  const before = await contents(home('ada'))

  const again = await init('ada', '--budget-per-day', '5')
  assert.deepEqual(again, { ...made, joined: true })
  assert.deepEqual(await contents(home('ada')), before)

  const flags = ['--home', home('ada'), '--passphrase-file', passphrase, '--json']
  refused(await ddm(['init', ...flags, '--budget-per-day', '7']), 'usage', /budget of this home is "5" a day/)
  const other = await network.file(
    'other.json',
    (await readFile(network.profile, 'utf8')).replace(/"genesisHash": "0x.{4}/, '"genesisHash": "0x1234')
  )
  refused(await ddm(['init', ...flags, '--network', other]), 'usage', /belongs to "local".*use another --home/)
  const wrong = await network.file('wrong', 'another passphrase\n')
  refused(await ddm(['init', '--home', home('ada'), '--passphrase-file', wrong, '--json']), 'keyLocked', /passphrase/)
  assert.deepEqual(await contents(home('ada')), before)
})

async function contents(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter((name) => /\.(key|json)$/.test(name) && name !== 'owner.json')
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')]))
  )
}

test('init without what it needs, and nobody to ask, makes nothing', async () => {
  const at = ['--home', home('nobody'), '--json']
  refused(await ddm(['init', ...at]), 'usage', /--network FILE/)
  refused(await ddm(['init', ...at, '--network', network.profile]), 'keyLocked', /passphrase/)
  const all = ['--network', network.profile, '--passphrase-file', passphrase]
  refused(await ddm(['init', ...at, ...all, '--budget-per-day', 'much']), 'usage', /"much"/)
  refused(await ddm(['init', ...at, ...all, '--network', home('nothing.json')]), 'notFound', /nothing\.json/)
  const short = ['--network', network.profile, '--passphrase-file', await network.file('short', 'short\n')]
  refused(await ddm(['init', ...at, ...short]), 'usage', /at least 8/)
  const names = await readdir(home('nobody')).catch(() => [])
  assert.deepEqual(
    names.filter((name) => /key|wallet|network|config/.test(name)),
    []
  )
})

test('at a terminal init asks for what it was not told, and doctor for the passphrase; what is typed of it is not shown', async (t) => {
  if (spawnSync(SCRIPT, ['--version']).status !== 0) {
    if (process.env.CI === 'true') assert.fail('script (util-linux) is not installed')
    return t.skip('script (util-linux) is not installed: there is no terminal to ask at')
  }
  const secret = 'correct horse battery'
  const made = await atTerminal(['init', '--home', home('eve')], [network.profile, '7', secret, secret])
  assert.equal(made.code, 0, made.shown)
  assert.match(made.shown, /Network profile .*Most that may be spent .*New passphrase .*The same again/s)
  assert.match(made.shown, /Next: ddm doctor --home/)
  assert.ok(!made.shown.includes(secret))
  assert.match(await readFile(join(home('eve'), 'config.json'), 'utf8'), /"budgetPerDay": "7"/)
  assert.match(await readFile(join(home('eve'), 'wallet.json'), 'utf8'), /scrypt|cipher/)

  const looked = await atTerminal(['doctor', '--home', home('eve'), ...LOOPBACK], [secret])
  assert.equal(looked.code, 0, looked.shown)
  assert.match(looked.shown, /ok {4}keys +encrypted, and the passphrase opens them/)
  assert.match(looked.shown, /ok {4}peers +1 connected/)

  const differ = await atTerminal(
    ['init', '--home', home('frank'), '--network', network.profile],
    ['', secret, 'other']
  )
  assert.equal(differ.code, EXIT_CODES.keyLocked)
  assert.match(differ.shown, /the two passphrases differ; nothing was created/)
})

/** Runs a command at a terminal of its own; each answer is typed at the next question. */
async function atTerminal(args: string[], answers: string[]): Promise<{ code: number | null; shown: string }> {
  const line = [process.execPath, BIN, ...args].map((word) => `'${word}'`).join(' ')
  const child = spawn(SCRIPT, ['--quiet', '--return', '--command', line, '/dev/null'], { stdio: 'pipe' })
  let shown = ''
  let read = 0
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text
    const question = /[^:\n]+: [^\n]*$/.exec(shown.slice(read))
    const answer = question === null ? undefined : answers.shift()
    if (answer === undefined) return
    read = shown.length
    child.stdin.write(`${answer}\n`)
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, shown }
}

test('a home that lacks nothing', async () => {
  const { code, findings } = await doctor('ada', ...LOOPBACK)
  const rpc = findings.find(({ check }) => check === 'rpc')
  // A busy machine may make it slow, and that is said.
  if (rpc?.state === 'warn') assert.match(JSON.stringify(rpc), /answered in \d+/)
  assert.equal(code, 0, JSON.stringify(findings))
  assert.deepEqual(
    findings.map(({ check, state }) => [check, state]),
    [
      ['home', 'ok'],
      ['disk', 'ok'],
      ['network', 'ok'],
      ['keys', 'ok'],
      ['rpc', rpc?.state],
      ['clock', 'ok'],
      ['balance', 'ok'],
      ['peers', 'ok'],
      // Loopback alone: said, and no failure.
      ['reachability', 'warn']
    ]
  )
  for (const { state, advice } of findings) assert.equal(state === 'ok', advice === undefined)
})

test('a running node is asked, not a second one started', async () => {
  const node = serve(['start', '--home', home('ada'), '--passphrase-file', passphrase, ...LOOPBACK])
  const { addresses } = await node.event('ready')
  const { code, of } = await doctor('ada', '--passphrase-file', await network.file('wrong', 'another passphrase\n'))
  assert.equal(code, 0)
  assert.match(of('keys')?.found ?? '', /the node that runs has opened them/)
  assert.match(of('reachability')?.found ?? '', new RegExp((addresses as string[])[0] ?? 'none'))
  assert.equal((await node.stop()).code, 0)
})

test('no home: nothing is made', async () => {
  failed(await doctor('missing'), 'home', 'config', /there is no home.*ddm init/)
  assert.ok(!(await readdir(network.folder)).includes('missing'))
  await network.file('a-file', '')
  failed(await doctor('a-file/below'), 'home', 'config', /ENOTDIR/)
  await mkdir(home('empty'), { mode: 0o700 })
  failed(await doctor('empty'), 'network', 'config', /joined no network/)
})

test('a home without keys gets none', async () => {
  await mkdir(home('keyless'), { mode: 0o755 })
  await writeFile(join(home('keyless'), 'network.json'), await readFile(network.profile))
  const { code, of, findings } = await doctor('keyless')
  assert.equal(code, 0)
  assert.equal(of('home')?.state, 'warn')
  assert.match(of('home')?.advice ?? '', /chmod 700/)
  assert.match(of('keys')?.found ?? '', /none yet/)
  assert.match(of('balance')?.found ?? '', /no wallet yet/)
  assert.ok(!findings.some(({ check }) => check === 'peers'))
  assert.deepEqual(await readdir(home('keyless')), ['network.json'])
})

test('keys that others can read, that the passphrase does not open, that are not all there', async () => {
  await init('keys')
  const wallet = join(home('keys'), 'wallet.json')
  await chmod(wallet, 0o644)
  failed(await doctor('keys', ...LOOPBACK), 'keys', 'config', /others can read .*wallet\.json.*chmod 600/)
  await chmod(wallet, 0o600)
  const wrong = await network.file('wrong', 'another passphrase\n')
  const locked = await doctor('keys', '--passphrase-file', wrong, ...LOOPBACK)
  failed(locked, 'keys', 'keyLocked', /passphrase/)
  assert.equal(locked.of('rpc')?.state, 'ok')
  assert.equal(locked.of('peers'), undefined)
  await writeFile(join(home('keys'), 'voucher.json'), '{}')
  failed(await doctor('keys', ...LOOPBACK), 'keys', 'config', /voucher\.json/)
})

test('settings that are wrong', async () => {
  await init('settings')
  await writeFile(join(home('settings'), 'config.json'), '{ "budgetPerDya": "5" }', { mode: 0o600 })
  failed(await doctor('settings'), 'network', 'config', /budgetPerDya.*did you mean "budgetPerDay"/)
})

test('an RPC that does not answer, and one of another chain', async () => {
  failed(await doctor('ada', '--set', 'rpc=http://127.0.0.1:1'), 'rpc', 'unreachable', /127\.0\.0\.1:1/)
  const other = serve(['chain', '--home', home('other-chain')])
  const { rpc } = await other.event('ready')
  const elsewhere = await doctor('ada', '--set', `rpc=${String(rpc)}`)
  failed(elsewhere, 'rpc', 'networkMismatch', /genesis/)
  assert.equal(elsewhere.of('balance'), undefined)
  await other.stop()
})

test('a contract whose code is not what the profile names', async () => {
  const { contracts } = JSON.parse(await readFile(network.profile, 'utf8')) as { contracts: { escrow: string } }
  const code = await rpc('eth_getCode', [contracts.escrow, 'latest'])
  await rpc('anvil_setCode', [contracts.escrow, '0x6000'])
  failed(await doctor('ada'), 'rpc', 'networkMismatch', /code/)
  await rpc('anvil_setCode', [contracts.escrow, code])
})

async function rpc(method: string, params: unknown[]): Promise<unknown> {
  const response = await fetch(network.rpc, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  })
  return ((await response.json()) as { result: unknown }).result
}

test('a disk that is full', async (t) => {
  await init('full')
  const mount = 'mount -t tmpfs -o size=20m none "$1/full" && cp -a "$1/kept/." "$1/full" && shift && "$@"'
  await cp(home('full'), home('kept'), { recursive: true })
  const command = [process.execPath, BIN, 'doctor', '--home', home('full'), '--passphrase-file', passphrase, '--json']
  const { error, status, stdout, stderr } = spawnSync(
    UNSHARE,
    ['--user', '--map-root-user', '--mount', 'sh', '-c', mount, 'sh', network.folder, ...command],
    { encoding: 'utf8' }
  )
  if (error !== undefined || stdout === '') {
    const why = `a small disk cannot be had here: ${error?.message ?? stderr}`
    if (process.env.CI === 'true') assert.fail(why)
    return t.skip(why)
  }
  const findings = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Finding)
  const of = (check: string): Finding | undefined => findings.find((finding) => finding.check === check)
  failed({ code: status, findings, of }, 'disk', 'config', /1\d MiB free.*at least 100 MiB/)
})

test('a clock that is wrong', async () => {
  const at = async (now: () => number): Promise<Finding | undefined> => {
    const options = { now, withNode: async () => {} }
    for await (const finding of diagnose({ home: home('ada'), passphrase: 'x' }, options)) {
      if (finding.check === 'clock') return finding
    }
    return undefined
  }
  assert.equal((await at(Date.now))?.state, 'ok')
  const slow = await at(() => Date.now() - 3_600_000)
  assert.deepEqual([slow?.state, slow?.code], ['fail', 'config'])
  assert.match(slow?.found ?? '', /in the future of this clock/)
  assert.match(slow?.advice ?? '', /NTP/)
})

test('bootstrap nodes that are gone, seen by a node that runs and by one that would', async () => {
  const node = serve(['start', '--home', home('ada'), '--passphrase-file', passphrase, ...LOOPBACK])
  await node.event('ready')
  await network.bootstrap.stop()
  failed(await doctor('ada'), 'peers', 'unreachable', /nobody is connected.*bootstrap nodes do not answer/)
  assert.equal((await node.stop()).code, 0)
  failed(await doctor('ada', ...LOOPBACK), 'node', 'unreachable', /did not answer in time.*firewall/)
})
