import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { DdmError } from '../../../src/interface/index.ts'
import { humanLine } from '../../../src/node/logger/human.ts'
import { openLogFile } from '../../../src/node/logger/log-file.ts'
import { createLogger, type LoggerInit, type NodeLogger } from '../../../src/node/logger.ts'
import { tempDir } from '../../support/temp-dir.ts'

function capture(init: LoggerInit = {}): { logger: NodeLogger; lines: string[]; last: () => Record<string, unknown> } {
  const lines: string[] = []
  const logger = createLogger({ ...init, stream: { write: (line: string) => void lines.push(line) } })
  return { logger, lines, last: () => JSON.parse(lines.at(-1) ?? 'null') as Record<string, unknown> }
}

test('lines are JSON with level, component and fields', () => {
  const { logger, last } = capture({ fields: { role: 'seller' } })
  logger.child('registry').info('synced', { block: 12n, ok: true, none: undefined })
  const { time, ...line } = last()
  assert.equal(typeof time, 'number')
  assert.deepEqual(line, { level: 'info', role: 'seller', component: 'registry', block: '12', ok: true, msg: 'synced' })
})

test('levels below the configured one are not written', () => {
  const { logger, lines } = capture({ level: 'warn' })
  logger.info('no')
  logger.debug('no')
  logger.warn('yes')
  logger.components().forComponent('libp2p').error('no %s', 'x')
  assert.equal(lines.length, 1)
})

test('key material does not reach the log', async () => {
  const { logger, lines } = capture({ level: 'trace' })
  const identity = await generateKeyPair('Ed25519')
  const hex = Buffer.from(identity.raw).toString('hex')
  logger.info('fields', {
    privateKey: hex,
    nested: { deep: [{ passphrase: 'hunter2', Secret: 'hunter2', private_key: hex }] },
    raw: identity.raw,
    key: identity,
    error: new DdmError('keyLocked', 'cannot open', { cause: new Error('inner') })
  })
  logger.components().forComponent('x')('key %k bytes %b %o', identity, identity.raw, { privateKey: identity.raw })
  const text = lines.join('')
  for (const leak of [
    hex,
    'hunter2',
    Buffer.from(identity.raw).toString('base64'),
    identity.raw.slice(0, 8).join(',')
  ]) {
    assert.ok(!text.includes(leak), leak)
  }
  assert.match(text, /\[redacted\]/)
  assert.match(text, /"code":"keyLocked"/)
})

test('a stranger cannot forge a line or move the cursor', () => {
  const { logger, lines } = capture()
  logger.info('bad\n{"level":"error"}\u001b[2J', { '\u001b]0;x\u0007': '\u202egnp.exe\u0000', list: ['\r\nx'] })
  assert.equal(lines.length, 1)
  const [line = ''] = lines
  assert.ok(!/[\p{Cc}\u202e]|\\n|\\r|\\u00/u.test(line.trimEnd()), line)
})

test('a long text is cut, and its lines become one', () => {
  const { logger, lines } = capture()
  logger.info('two\nlines', { long: 'x'.repeat(10_000) })
  const [line = ''] = lines
  assert.match(line, /two lines/)
  assert.ok(line.length < 3_000 && line.includes('x…'), `${line.length}`)
})

test('libp2p formats with its own letters, only at trace', async () => {
  const peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  const quiet = capture({ level: 'debug' })
  const off = quiet.logger.components().forComponent('libp2p:x')
  off('hello %p', peer)
  off.error('hello %e', new Error('x'))
  assert.equal(off.enabled, false)
  assert.equal(quiet.lines.length, 0)

  const { logger, last } = capture({ level: 'trace' })
  const log = logger.components().forComponent('libp2p')
  log.newScope('dial')('%p at %a: %d%% %s %e %z', peer, multiaddr('/ip4/127.0.0.1/tcp/1'), 5, 'x', new TypeError('no'))
  assert.equal(last().component, 'libp2p:dial')
  assert.equal(last().msg, `${peer.toString()} at /ip4/127.0.0.1/tcp/1: 5% x TypeError: no %z`)
})

const LOG = { maxSize: 10, keep: 5 }

test('a log file is private and appended to', async (t) => {
  const folder = await tempDir(t)
  for (const message of ['one', 'two']) {
    const logger = createLogger({ file: await openLogFile({ ...LOG, file: join(folder, 'ddm.log') }) })
    logger.info(message)
    logger.close()
  }
  assert.deepEqual(await readdir(folder), ['ddm.1.log'])
  const file = join(folder, 'ddm.1.log')
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.equal((await readFile(file, 'utf8')).trim().split('\n').length, 2)
  await assert.rejects(openLogFile({ ...LOG, file: join(file, 'below', 'ddm.log') }), { code: 'config' })
})

/** Numbers of the files of a log, the oldest first. */
async function numbers(folder: string): Promise<number[]> {
  const names = await readdir(folder)
  return names
    .map((name) => Number(/^ddm\.(\d+)\.log$/.exec(name)?.[1]))
    .filter((number) => number > 0)
    .sort((a, b) => a - b)
}

/** A process that logs so many lines, some at a time, and dies without closing anything. */
async function logLines(file: string, [from, to]: [number, number], keep: number): Promise<void> {
  const program = `
    import { createLogger } from ${JSON.stringify(new URL('../../../src/node/logger.ts', import.meta.url).href)}
    import { openLogFile } from ${JSON.stringify(new URL('../../../src/node/logger/log-file.ts', import.meta.url).href)}
    const logger = createLogger({ file: await openLogFile({ file: ${JSON.stringify(file)}, maxSize: 16 / 1024, keep: ${keep} }) })
    let line = ${from}
    setInterval(() => {
      for (let i = 0; i < 37; i++) {
        if (line === ${to}) process.kill(process.pid, 'SIGKILL')
        else logger.info('line', { line: line++ })
      }
    }, 1)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'ignore', 'inherit']
  })
  assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL'])
}

async function linesIn(folder: string): Promise<number[]> {
  const files = await Promise.all(
    (await numbers(folder)).map((number) => readFile(join(folder, `ddm.${number}.log`), 'utf8'))
  )
  return files
    .join('')
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { line: number }).line)
}

test('a log goes on in the next file, also after a kill, and no line is lost', async (t) => {
  const folder = await tempDir(t)
  const file = join(folder, 'ddm.log')
  await logLines(file, [0, 1_500], 1_000)
  await logLines(file, [1_500, 3_000], 1_000)
  assert.ok((await numbers(folder)).length > 5)
  assert.deepEqual(
    await linesIn(folder),
    Array.from({ length: 3_000 }, (_, line) => line)
  )
})

test('of a log the newest files are kept, of earlier runs too; files of others stay', async (t) => {
  const folder = await tempDir(t)
  const file = join(folder, 'ddm.log')
  const others = ['ddm.log', 'ddm-1.log', 'ddm.1.txt', 'ddm.old.log', 'other.1.log']
  for (const name of others) await writeFile(join(folder, name), 'mine')
  await logLines(file, [0, 1_500], 1_000)
  const before = await numbers(folder)
  assert.ok(before.length > 5)
  await logLines(file, [1_500, 3_000], 3)
  const kept = await numbers(folder)
  assert.equal(kept.length, 3)
  assert.ok((kept[0] ?? 0) > (before.at(-1) ?? 0))
  const lines = await linesIn(folder)
  assert.deepEqual(
    lines,
    Array.from({ length: lines.length }, (_, i) => 3_000 - lines.length + i)
  )
  for (const name of others) assert.equal(await readFile(join(folder, name), 'utf8'), 'mine')
})

test('a terminal gets text', () => {
  const line = humanLine('{"level":"warn","time":0,"component":"node","peer":"12D3","why":"a b","n":1,"msg":"slow"}\n')
  assert.match(line, /^\d\d:\d\d:\d\d .*warn.* node: slow peer=12D3 why="a b" n=1\n$/)
})
