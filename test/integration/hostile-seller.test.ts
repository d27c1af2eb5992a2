import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { CID } from 'multiformats/cid'
import { createNode, type LocalNode, parseSource, type Sale } from '../../src/index.ts'
import { homePaths } from '../../src/node/home.ts'
import { loadIdentity } from '../../src/node/keys.ts'
import { createLogger } from '../../src/node/logger.ts'
import { createNetwork } from '../../src/node/network.ts'
import { SDPP_PROTOCOL } from '../../src/protocols/sdpp/constants.ts'
import { Deframer } from '../../src/protocols/sdpp/frame.ts'
import { STATUS } from '../../src/protocols/sdpp/index.ts'
import { decodeMessage, encodePlain, encodeSigned } from '../../src/protocols/sdpp/messages.ts'
import { createSigner, signStatement } from '../../src/statements/index.ts'
import { BIN, ddm, type Network, type Server, serve, startNetwork } from './cli-process.ts'

/** What a stranger may write, at the terminal of a buyer: every text that reaches it over a real market, as a table. */

/** What a terminal acts on, or does not show: a new line is ours. */
const RAW =
  /(?!\n)[\p{Cc}\p{Zl}\p{Zp}]|[\u202a-\u202e\u2066-\u2069]|(?![\ufe00-\ufe0f])\p{Default_Ignorable_Code_Point}|\p{M}{9}/u

/** Written by the terminal's own: progress is replaced, and a line ends with a return. */
const ESCAPE = '\u001b'
const OURS = new RegExp(`${ESCAPE}\\[[0-9]+A${ESCAPE}\\[J|\r\n`, 'g')

const ZALGO = `Z${'\u0351'.repeat(60)}`
const HIDDEN = '\u200b\u2060\ufeff\u3164\u034f\u{e0041}'

/** What no rule of the market forbids. */
const LAWFUL = `Wind ${HIDDEN}${ZALGO}`

/** What whoever writes frames by hand may say. */
const HOSTILE = [
  'clear \u001b[2J\u001b[H',
  'title \u001b]0;owned\u0007',
  'clipboard \u001b]52;c;cm0gLXJmIC8=\u0007',
  'link \u001b]8;;https://evil.example\u001b\\here\u001b]8;;\u001b\\',
  'C1 \u009b31m \u009d52;c;eA==\u009c',
  'bidi \u202eevil\u2066',
  'lines \r\n\u2028\u2029\u0085 over\rwritten',
  `hidden ${HIDDEN}`,
  ZALGO,
  'x'.repeat(80)
].join(' ')

const SCHEMA = { type: 'object', properties: { n: { enum: ['good', `${HOSTILE}`] }, [HOSTILE]: { type: 'integer' } } }

let network: Network
let seller: LocalNode
let sale: Sale
/** The buyer's node, which its commands use. */
let buyer: Server

before(async () => {
  network = await startNetwork()
  buyer = serve(['start', ...network.as('buyer')])
  await buyer.event('ready')
  seller = await createNode({
    home: join(network.folder, 'hostile'),
    network: network.profile,
    insecureDevKeys: true,
    config: { listen: ['/ip4/127.0.0.1/tcp/0'], logLevel: 'silent' }
  })
  const records = [{ n: 'good', text: HOSTILE }, { n: 'good' }, { n: HOSTILE, [HOSTILE]: 'no number' }, { n: 'bad' }]
  const file = await network.file('hostile.jsonl', records.map((one) => `${JSON.stringify(one)}\n`).join(''))
  sale = await seller.sell({
    title: `${LAWFUL} ${'w'.repeat(40)}`,
    description: `${LAWFUL} ${'x'.repeat(3_000)}`,
    keywords: ['hostile', `k${HIDDEN}`],
    price: '0',
    free: 2,
    source: await parseSource(`jsonl:${file}`),
    checkSchema: false,
    document: { license: { spdx: `CC0-1.0${HIDDEN}` }, schema: { encoding: 'json', jsonSchema: SCHEMA } }
  })
})

after(async () => {
  await buyer?.stop()
  await seller?.stop()
  await network?.close()
})

/** The running node has all other settings. */
const home = (): string[] => ['--home', join(network.folder, 'buyer')]

function clean(text: string, what: string): void {
  const found = RAW.exec(text)
  const around = found === null ? '' : JSON.stringify(text.slice(Math.max(0, found.index - 40), found.index + 10))
  assert.equal(found, null, `${what}: ${around}`)
}

/** As a person: a table, not JSON. Resolves with all that was said. */
async function said(...args: string[]): Promise<string> {
  const { stdout, stderr } = await ddm([...args, ...home()])
  clean(stdout, `stdout of ${args.join(' ')}`)
  clean(stderr, `stderr of ${args.join(' ')}`)
  return stdout + stderr
}

/** The same at a terminal, where records are shown and progress is. */
async function saidAtTerminal(...args: string[]): Promise<string> {
  const words = [process.execPath, BIN, ...args, ...home()]
  const command = words.map((word) => `'${word}'`).join(' ')
  const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  await once(child, 'close')
  const shown = text.replace(OURS, '\n')
  clean(shown, `terminal of ${args.join(' ')}`)
  return shown
}

test('listings, records, schema messages, sessions and receipts of a hostile seller are plain text', async () => {
  assert.match(await said('search', 'wind'), /Wind Z.*w{40}/)
  assert.match(await said('show', sale.listing.id), /CC0-1\.0\n/)
  assert.match(await said('menu', seller.peerId), /Wind Z/)
  assert.match(await saidAtTerminal('sample', sale.listing.id), /"text":"clear \\u001b\[2J/)
  const broken = await saidAtTerminal('buy', sale.listing.id)
  assert.match(broken, /breaks the listing's schema/)
  assert.match(await saidAtTerminal('buy', sale.listing.id, '--no-check'), /4 records of "Wind Z/)
  const sessions = await said('sessions', 'list')
  const [session = ''] = /bafyrei[a-z0-9]+/.exec(sessions) ?? []
  await said('sessions', 'show', session)
  assert.match(await said('receipts', 'list'), /bafyrei/)
})

test('menus and refusals that are written by hand are plain text', async () => {
  await seller.stop()
  const paths = homePaths(seller.home)
  const { identity } = await loadIdentity(paths, { insecureDevKeys: true })
  const signer = createSigner(seller.peerId, identity.raw.subarray(0, 32))
  const { bootstrap } = JSON.parse(await readFile(network.profile, 'utf8')) as { bootstrap: string[] }
  const peer = await createNetwork({
    identity,
    paths,
    role: 'full',
    logger: createLogger({ level: 'silent' }),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap
  })
  try {
    await peer.whenReady()
    await peer.handle(SDPP_PROTOCOL, (stream) => {
      const deframer = new Deframer((kind, body) => {
        const message = decodeMessage(kind, body.slice())
        if (message.name !== 'HELLO') return
        const { nonce, listing } = message.content
        if (listing !== undefined) {
          stream.send(
            encodePlain('STATUS', {
              code: BigInt(STATUS.forbidden),
              text: HOSTILE,
              details: { have: HOSTILE.slice(0, 100), need: HOSTILE.slice(-100) }
            })
          )
          return
        }
        const entry = {
          cid: CID.parse(sale.listing.cid),
          id: sale.listing.id,
          rail: 'free',
          amount: 0n,
          count: 1n,
          unit: 'record'
        }
        const listings = [
          { ...entry, title: HOSTILE.slice(0, 190) },
          { ...entry, title: HIDDEN }
        ]
        stream.send(encodeSigned('MENU', signStatement(signer, 'menu', { nonce, listings } as never, 0)))
      })
      stream.addEventListener('message', ({ data }) => {
        for (const chunk of data instanceof Uint8Array ? [data] : data) deframer.push(chunk)
      })
    })
    assert.match(await said('menu', peer.peerId.toString()), /clear +title +clipboard +link here/)
    assert.match(await said('buy', sale.listing.id), /clear +title +clipboard +link here/)
  } finally {
    await peer.stop()
  }
})
