import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ddm, type Network, refused, type Server, serve, startNetwork } from './cli-process.ts'

/** Nodes as people run them: `ddm start`, asked by the command line, by programs, and by pages that have no business there. */

let network: Network
let seller: Server
let buyer: Server

const LINES = Array.from({ length: 400 }, (_, i) => JSON.stringify({ i, text: `record ${i}` }))

function home(name: string): string[] {
  return ['--home', join(network.folder, name)]
}

async function api(name: string): Promise<{ url: string; token: string }> {
  const folder = join(network.folder, name)
  const { url } = JSON.parse(await readFile(join(folder, 'api.json'), 'utf8')) as { url: string }
  return { url, token: (await readFile(join(folder, 'api.token'), 'utf8')).trim() }
}

interface Answer {
  status: number
  body: Record<string, unknown>
}

async function call(name: string, method: string, path: string, body?: unknown): Promise<Answer> {
  const { url, token } = await api(name)
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' })
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

/** The value of one line of `/metrics`. */
async function metric(name: string, series: string): Promise<number> {
  const { url, token } = await api(name)
  const response = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  const text = await response.text()
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  assert.ok(line !== undefined, `${series} is not in\n${text}`)
  return Number(line.slice(series.length))
}

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 1_200; tries++) {
    const found = await look()
    if (found !== undefined) return found
    await sleep(50)
  }
  throw new Error(`waited in vain for ${what}`)
}

before(async () => {
  network = await startNetwork()
  seller = serve(['start', ...network.as('seller')])
  buyer = serve(['start', ...network.as('buyer')])
  await Promise.all([seller.event('ready'), buyer.event('ready')])
  await network.file('lines.jsonl', `${LINES.join('\n')}\n`)
})

after(async () => {
  await buyer?.stop()
  await seller?.stop()
  await network?.close()
})

async function publish(title: string, more: Record<string, unknown> = {}): Promise<string> {
  const source = `jsonl:${join(network.folder, 'lines.jsonl')}`
  const product = { title, price: '0.00001/record', source, ...more }
  const { status, body } = await call('seller', 'POST', '/v1/products', { product })
  assert.equal(status, 200, JSON.stringify(body))
  const { id } = (body as { listing: { id: string } }).listing
  await until('the listing', async () => {
    const { status: found } = await call('buyer', 'GET', `/v1/listings/${id}`)
    return found === 200 ? true : undefined
  })
  return id
}

test('commands use the node that runs on their home', async () => {
  const listing = await publish('Through the node')
  const status = await ddm(['status', ...home('buyer'), '--json'])
  assert.equal(status.code, 0, status.stderr)
  const { pid, running } = JSON.parse(status.stdout) as { pid: number; running: boolean }
  assert.deepEqual({ pid, running }, { pid: buyer.pid, running: true })

  const found = await ddm(['search', 'through', 'node', ...home('buyer'), '--json'])
  assert.match(found.stdout, new RegExp(listing))
  const bought = await ddm(['buy', listing, '--max', '0.1', ...home('buyer'), '--json'])
  assert.equal(bought.code, 0, bought.stderr)
  assert.deepEqual(bought.stdout.trimEnd().split('\n'), LINES)
  const outcome = JSON.parse(bought.stderr.trimEnd().split('\n').at(-1) ?? '') as Record<string, string>
  assert.deepEqual([outcome.event, outcome.records, outcome.due, outcome.paid], ['bought', 400, '0.004', '0.004'])

  const file = join(network.folder, 'through.car')
  const exported = await ddm(['receipts', 'export', String(outcome.session), '-o', file, ...home('buyer'), '--json'])
  assert.equal(exported.code, 0, exported.stderr)
  const verified = await ddm(['receipts', 'verify', file, '--json'])
  assert.equal(verified.code, 0, verified.stderr)

  for (const command of [
    ['sessions', 'list'],
    ['channels', 'list'],
    ['wallet', 'show'],
    ['peers'],
    ['receipts', 'list']
  ]) {
    const ran = await ddm([...command, ...home('buyer'), '--json'])
    assert.equal(ran.code, 0, ran.stderr)
    assert.notEqual(ran.stdout, '', command.join(' '))
  }
  // 0.1 was deposited, 0.004 of it is spent: the rest is locked, and nothing more is at stake.
  const after = await ddm(['status', ...home('buyer'), '--json'])
  const { exposure } = JSON.parse(after.stdout) as { exposure: Array<Record<string, string>> }
  const [row] = exposure.filter(({ role, rail }) => role === 'buyer' && rail === 'evm')
  assert.deepEqual([row?.window, row?.locked, row?.bound], ['0', '0.096', '0.096'])
  const shown = await ddm(['status', ...home('seller')])
  assert.match(
    shown.stdout,
    /^at stake +0\.004 \S+ selling \(evm\): 0 \S+ not paid yet, 0\.004 \S+ unclaimed, 0 \S+ unconfirmed$/m
  )
  assert.equal(await metric('buyer', 'ddm_exposure_units{role="buyer",rail="evm",part="locked"}'), 96_000)
  // What Prometheus collects is of the same sessions.
  const paid = await metric('seller', 'ddm_paid_units_total{role="seller",rail="evm"}')
  assert.equal(await metric('buyer', 'ddm_paid_units_total{role="buyer",rail="evm"}'), paid)
  assert.ok(paid >= 4_000, `${paid}`)
  assert.ok((await metric('seller', 'ddm_peers{direction="outbound"}')) > 0)
  assert.ok((await metric('seller', 'ddm_chain_head_number')) > 0)
  const statements = await call('buyer', 'GET', `/v1/sessions/${outcome.session}/statements`)
  const kinds = (statements.body as unknown as Array<{ kind: string }>).map(({ kind }) => kind)
  for (const kind of ['offer', 'order', 'accept', 'receipt']) assert.ok(kinds.includes(kind), kind)
  assert.equal((await call('seller', 'POST', '/v1/claims')).status, 200)
})

test('flags that only a node that starts could heed are refused, and a second node is', async () => {
  const product = ['--name', 'Claimed', '--price', '0', '--source', 'stdin']
  for (const [flag, args] of [
    ['--set', ['search', '--set', 'credit=1']],
    ['--listen', ['search', '--listen', '/ip4/127.0.0.1/tcp/0']],
    ['--claim-on-close', ['sell', ...product, '--claim-on-close']]
  ] as const) {
    const message = new RegExp(`a node runs on this home \\(process \\d+\\).*${flag} is for a node that starts`)
    refused(await ddm([...args, ...home('buyer'), '--json']), 'usage', message)
  }
  refused(await ddm(['start', ...home('buyer'), '--json']), 'homeBusy', /a node runs on this home already/)
})

test('--network that is not the network of the running node is refused: what is paid there is other money', async () => {
  const profile = JSON.parse(await readFile(network.profile, 'utf8')) as {
    chain: Record<string, unknown>
    contracts: Record<string, unknown>
  }
  const { chain, contracts } = profile
  const others = {
    genesis: { ...profile, chain: { ...chain, genesisHash: `0x${'12'.repeat(32)}` } },
    escrow: { ...profile, contracts: { ...contracts, escrow: `0x${'34'.repeat(20)}` } }
  }
  for (const [name, other] of Object.entries(others)) {
    const file = await network.file(`other-${name}.json`, JSON.stringify(other))
    const ran = await ddm(['buy', '0xdeadbeef', '--network', file, ...home('buyer'), '--json'])
    refused(ran, 'networkMismatch', new RegExp(`process ${buyer.pid}, "local"\\): its ${name}.* is 0x(12|34)`))
  }
  const same = await ddm(['search', '--network', network.profile, ...home('buyer'), '--json'])
  assert.equal(same.code, 0, same.stderr)
})

test('ddm sell says all of a product by flags, through the running node too', async () => {
  const schema = await network.file('schema.json', '{"type":"object","required":["i"]}')
  const document = await network.file('document.json', '{"license":{"spdx":"CC0-1.0"}}')
  const flags = ['--schema', schema, '--document', document, '--cadence', '1s', '--credit', '0.05', '--k', '5']
  const what = ['--name', 'By flags', '--price', '0.0001', '--source', `jsonl:${join(network.folder, 'lines.jsonl')}`]
  const selling = serve(['sell', ...what, ...flags, '--free', '2-4', ...home('seller')])
  try {
    const { listing: id } = await selling.event('listed')
    const shown = await ddm(['show', String(id), ...home('seller'), '--json'])
    const listing = JSON.parse(shown.stdout) as { document: Record<string, unknown> }
    const { license, cadence, freeRange, schema: kept } = listing.document
    assert.deepEqual(
      { license, cadence, freeRange, schema: kept },
      {
        license: { spdx: 'CC0-1.0' },
        cadence: { mode: 'finite', periodMs: 1_000 },
        freeRange: { from: 2, to: 4 },
        schema: { encoding: 'json', jsonSchema: { type: 'object', required: ['i'] } }
      }
    )
  } finally {
    assert.equal((await selling.stop()).code, 0)
  }
})

test('what a command sells through the running node is pushed to it, durable, and off sale when the command ends', async () => {
  const selling = serve(['sell', '--name', 'Pushed', '--price', '0', '--source', 'stdin', ...home('seller')], {
    input: `${LINES.slice(0, 50).join('\n')}\n`
  })
  const { listing } = await selling.event('listed')
  await until('the records', async () => {
    const { body } = await call('seller', 'GET', `/v1/products/${String(listing)}`)
    return body.head === '50' && body.finished === true ? true : undefined
  })
  const bought = await ddm(['buy', String(listing), ...home('buyer'), '--json'])
  assert.deepEqual(bought.stdout.trimEnd().split('\n'), LINES.slice(0, 50), bought.stderr)
  assert.equal((await selling.stop()).code, 0)
  assert.equal((await call('seller', 'GET', `/v1/products/${String(listing)}`)).status, 404)
})

test('what a command sells through the running node is paused and resumed over the API while it is fed', async () => {
  const selling = serve(['sell', '--name', 'Held push', '--price', '0', '--source', 'telemetry', ...home('seller')])
  const { listing } = await selling.event('listed')
  const path = `/v1/products/${String(listing)}`
  const grows = async (): Promise<void> => {
    const { head } = (await call('seller', 'GET', path)).body
    await until('more records', async () => {
      const { body } = await call('seller', 'GET', path)
      return BigInt(String(body.head)) > BigInt(String(head)) + 20n ? true : undefined
    })
  }
  const set = async (status: string): Promise<void> => {
    assert.equal((await call('seller', 'PUT', `/v1/listings/${String(listing)}/status`, { status })).status, 200)
    const { body } = await call('seller', 'GET', path)
    assert.equal((body.listing as { status: string }).status, status)
  }
  await set('paused')
  await grows()
  const refusal = await ddm(['buy', String(listing), '-n', '1', ...home('buyer'), '--json'])
  assert.notEqual(refusal.code, 0)
  await set('active')
  await grows()
  const bought = await ddm(['buy', String(listing), '-n', '3', ...home('buyer'), '--json'])
  assert.equal(bought.code, 0, bought.stderr)
  assert.equal((await selling.stop()).code, 0)
})

test('a finite file is sold a second time through the running node: its log is finished already', async () => {
  const file = await network.file('twice.jsonl', `${LINES.slice(0, 20).join('\n')}\n`)
  const listings: unknown[] = []
  for (let i = 0; i < 2; i++) {
    const selling = serve(['sell', '--name', 'Twice', '--price', '0', '--source', `jsonl:${file}`, ...home('seller')])
    const { listing } = await selling.event('listed')
    listings.push(listing)
    await until('the records', async () => {
      const { body } = await call('seller', 'GET', `/v1/products/${String(listing)}`)
      return body.head === '20' && body.finished === true ? true : undefined
    })
    assert.equal((await selling.stop()).code, 0)
  }
  assert.equal(listings[0], listings[1])
})

test('a bad line of a source that is pushed ends the command and names the line', async () => {
  const ran = await ddm(['sell', '--name', 'Torn', '--price', '0', '--source', 'stdin', ...home('seller'), '--json'], {
    input: '{"a":1}\n{"a":\n'
  })
  refused(ran, 'badRecord', /stdin:2: the line is not JSON/)
})

test('caps that are changed hold at once and in later runs', async () => {
  const listing = await publish('Dear', { price: '0.01/record' })
  const set = await ddm(['budget', 'set', '--per-session', '0.001', ...home('buyer'), '--json'])
  assert.equal(set.code, 0, set.stderr)
  refused(await ddm(['buy', listing, '-n', '3', ...home('buyer'), '--json']), 'budget', /budgetPerSession/)
  const config = JSON.parse(await readFile(join(network.folder, 'buyer', 'config.json'), 'utf8')) as object
  assert.deepEqual(config, { budgetPerSession: '0.001' })
  refused(await ddm(['budget', 'set', '--per-day', 'lots', ...home('buyer'), '--json']), 'usage', /lots|perDay/)
  assert.equal((await call('buyer', 'PATCH', '/v1/wallet/budget', { perSession: '10' })).status, 200)
  const bought = await ddm(['buy', listing, '-n', '3', '--max', '1', ...home('buyer'), '--json'])
  assert.equal(bought.code, 0, bought.stderr)
})

/** A request with a head of one's own; `fetch` would not send it. */
function raw(url: string, method: string, path: string, headers: Record<string, string>, body = ''): Promise<number> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const sent = request(
      { hostname, port, method, path, headers: { ...headers, 'content-length': body.length } },
      (got) => {
        got.resume()
        resolve(got.statusCode ?? 0)
      }
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

const FOREIGN = [
  'evil.example',
  'ddm.evil.example',
  '127.0.0.1.nip.io',
  'localhost.evil.example',
  '0.0.0.0',
  '[::]',
  '10.0.0.1',
  '2130706433'
]

test('500 combinations of Host and Origin: no other site changes anything, token or not', async () => {
  const { url, token } = await api('buyer')
  const { host, port } = new URL(url)
  const before = await call('buyer', 'GET', '/v1/wallet')
  const hosts = [
    ...FOREIGN.flatMap((name) => [name, `${name}:${port}`, `${name}:80`]),
    '127.0.0.1',
    'localhost',
    `127.0.0.1:${Number(port) + 1}`,
    `user@${host}`,
    `${host}.`,
    `${host}, evil.example`
  ]
  const origins = [
    ...FOREIGN.flatMap((name) => [`http://${name}`, `https://${name}:${port}`]),
    'null',
    `https://${host}`,
    `http://127.0.0.1:${Number(port) + 1}`,
    `http://${host}.evil.example`,
    `http://evil.example#${host}`
  ]
  const acts: Array<[string, string, string]> = [
    ['POST', '/v1/wallet/freeze', ''],
    ['PATCH', '/v1/wallet/budget', '{"perDay":"999"}'],
    ['POST', '/v1/purchases', '{"listing":"0x0000"}'],
    ['POST', '/%76%31/wallet/freeze', ''],
    ['POST', `${url}/v1/wallet/freeze`, '']
  ]
  const bearer = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  let tried = 0
  const statuses = new Map<number, number>()
  const attempt = async (headers: Record<string, string>, act: [string, string, string]): Promise<void> => {
    const [method, path, body] = act
    const status = await raw(url, method, path, headers, body)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    tried += 1
    assert.ok(
      status === 403 || status === 400 || status === 401,
      `${method} ${path} ${JSON.stringify(headers)}: ${status}`
    )
  }
  // A foreign host, with and without an origin; a foreign origin at our own host; no origin and no token.
  for (const act of acts) {
    for (const name of hosts) {
      await attempt({ ...bearer, host: name }, act)
      await attempt({ ...bearer, host: name, origin: url }, act)
      await attempt({ ...bearer, host: name, origin: 'http://evil.example' }, act)
    }
    for (const origin of origins) {
      await attempt({ ...bearer, host, origin }, act)
      await attempt({ host, origin, 'content-type': 'text/plain' }, act)
      await attempt({ host, origin: url, cookie: `token=${token}`, 'content-type': 'application/json' }, act)
      await attempt({ host: host.toUpperCase(), origin, ...bearer }, act)
    }
  }
  assert.ok(tried >= 500, `${tried}`)
  const now = await call('buyer', 'GET', '/v1/wallet')
  assert.deepEqual(now, before)
  assert.equal((await stat(join(network.folder, 'buyer', 'wallet.frozen')).catch(() => undefined))?.isFile(), undefined)
})

test('without the token, or with a wrong one, there is nothing but /health and the page', async () => {
  const { url, token } = await api('buyer')
  const paths = ['/v1/node', '/v1/wallet', '/v1/openapi.json', '/metrics', '/v1/listings/events']
  for (const authorization of [
    undefined,
    '',
    'Bearer',
    `Bearer ${token}x`,
    `Bearer ${token.slice(1)}`,
    `Basic ${token}`
  ]) {
    for (const path of paths) {
      const response = await fetch(`${url}${path}`, authorization === undefined ? {} : { headers: { authorization } })
      assert.equal(response.status, 401, `${path} ${authorization}`)
      assert.match(String(response.headers.get('content-type')), /^application\/problem\+json/)
      await response.body?.cancel()
    }
  }
  // The router reads other spellings of a target as the same path.
  const { host } = new URL(url)
  const spellings = [
    '/%761/node',
    '/%76%31/purchases',
    '/v1/%6eode',
    '/%6detrics',
    '/%6Detrics?x=1',
    `${url}/v1/node`,
    `${url}/metrics`,
    `http://evil.example/v1/node`,
    '/v1/nothing',
    '/v1/node;x',
    '/%2576%2531/node',
    '//v1/node',
    '/./v1/node',
    '/page/../v1/node'
  ]
  for (const target of spellings) {
    for (const method of ['GET', 'HEAD', 'POST']) {
      const status = await raw(url, method, target, { host }, '')
      assert.ok(status >= 400, `${method} ${target}: ${status}`)
    }
  }
  assert.equal(await raw(url, 'GET', '/%76%31/node', { host, authorization: `Bearer ${token}` }, ''), 200)
  const health = await fetch(`${url}/health`)
  assert.equal(((await health.json()) as { status: string }).status, 'ok')
  assert.match(String(health.headers.get('content-security-policy')), /default-src 'none'/)
  const { mode } = await stat(join(network.folder, 'buyer', 'api.token'))
  assert.equal(mode & 0o777, 0o600)
})

test('requests that are wrong are told what is wrong, in words and by code', async () => {
  const cases: Array<[string, string, unknown, number, string, RegExp]> = [
    ['POST', '/v1/purchases', {}, 400, 'usage', /name a listing/],
    ['POST', '/v1/purchases', { listing: '0xffff' }, 404, 'notFound', /./],
    ['POST', '/v1/purchases', { listing: '0xffff', options: { recods: '3' } }, 400, 'usage', /"recods"/],
    ['POST', '/v1/purchases', { listing: '0xffff', options: { records: '-3' } }, 400, 'usage', /records/],
    ['POST', '/v1/purchases', { listing: '0xffff', options: { max: 'much' } }, 400, 'usage', /max/],
    ['POST', '/v1/products', { product: { title: 'X', price: '1' } }, 400, 'usage', /source/],
    ['POST', '/v1/products', { product: { title: 'X', price: '1', source: 'exec:id' } }, 400, 'usage', /ddm sell/],
    ['POST', '/v1/products', { product: { title: 'X', price: '1', source: 'stdin' } }, 400, 'usage', /ddm sell/],
    ['POST', '/v1/products', { product: { title: 'X', price: 'cheap', source: 'telemetry' } }, 400, 'usage', /cheap/],
    ['PATCH', '/v1/wallet/budget', {}, 400, 'usage', /./],
    ['PATCH', '/v1/wallet/budget', { perDya: '1' }, 400, 'usage', /perDya/],
    ['PATCH', '/v1/wallet/budget', { perDay: 1 }, 400, 'usage', /perDay.*string/],
    ['PUT', '/v1/listings/0xffff/status', { status: 'gone' }, 400, 'usage', /status/],
    ['GET', '/v1/listings?limit=100000', undefined, 400, 'usage', /limit/],
    ['GET', '/v1/listings?colour=red', undefined, 400, 'usage', /colour/],
    ['GET', '/v1/sessions/none', undefined, 404, 'notFound', /no session none/],
    ['GET', '/v1/purchases/none', undefined, 404, 'notFound', /no purchase none/],
    ['GET', '/v1/nothing', undefined, 404, 'notFound', /no GET \/v1\/nothing/]
  ]
  for (const [method, path, body, status, code, detail] of cases) {
    const answer = await call('buyer', method, path, body)
    assert.equal(answer.status, status, `${method} ${path} ${JSON.stringify(answer.body)}`)
    assert.equal(answer.body.code, code, path)
    assert.match(String(answer.body.detail), detail)
  }
  const { url, token } = await api('buyer')
  const torn = await fetch(`${url}/v1/purchases`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{"listing":'
  })
  assert.equal(torn.status, 400)
  const large = await fetch(`${url}/v1/purchases`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ listing: 'x'.repeat(20_000_000) })
  }).catch(() => undefined)
  // The connection may be cut before all of it was sent.
  if (large !== undefined) assert.ok([400, 413].includes(large.status), String(large.status))
  assert.equal((await call('buyer', 'GET', '/v1/node')).status, 200)
})

test('who watches is told of new listings', async () => {
  const { url, token } = await api('buyer')
  const gone = new AbortController()
  const response = await fetch(`${url}/v1/listings/events?text=watched`, {
    headers: { authorization: `Bearer ${token}` },
    signal: gone.signal
  })
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  const seen = (async () => {
    let text = ''
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString()
      if (text.includes('Watched one')) return text
    }
    return text
  })()
  await publish('Watched one')
  const text = await seen
  assert.match(text, /^event: listing\ndata: \{"type":"added"/m)
  gone.abort()
})

interface SessionEvent {
  selling: Array<{ id: string; phase: string }>
  purchases: Array<{
    purchase: string
    status: { id?: string; phase: string }
    outcome?: { session: string }
    problem?: object
  }>
}

/** Waits for an event of `/v1/sessions/events` that fits, among those that come; says what the last one was if none does. */
type NextEvent = (what: string, fits: (event: SessionEvent) => boolean) => Promise<SessionEvent>

async function sessionEvents(name: string, signal: AbortSignal): Promise<NextEvent> {
  const { url, token } = await api(name)
  const response = await fetch(`${url}/v1/sessions/events`, { headers: { authorization: `Bearer ${token}` }, signal })
  const chunks = (response.body ?? assert.fail('no body')).pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  let last = ''
  const next = async (fits: (event: SessionEvent) => boolean): Promise<SessionEvent> => {
    for (;;) {
      const [event, ...rest] = text.split('\n\n')
      if (event !== undefined && rest.length > 0) {
        text = rest.join('\n\n')
        const [, data] = /^event: sessions\ndata: (.*)$/.exec(event) ?? []
        if (data === undefined) continue
        last = data
        const said = JSON.parse(data) as SessionEvent
        if (fits(said)) return said
      } else {
        const { value, done } = await chunks.read()
        if (done) assert.fail(`the stream ended after ${text}`)
        text += value
      }
    }
  }
  return (what, fits) => {
    const waited = new AbortController()
    const never = sleep(60_000, undefined, { signal: waited.signal }).then(() =>
      assert.fail(`${name} was not told: ${what}; the last it was told: ${last}`)
    )
    return Promise.race([next(fits), never]).finally(() => waited.abort())
  }
}

test('who watches sessions is told, at both sides, when one begins and when it ends', async (t) => {
  const listing = await publish('Watched sale', { source: 'telemetry', period: 20, price: '0.000001/record' })
  const gone = new AbortController()
  t.after(() => gone.abort())
  const [bought, sold] = await Promise.all([sessionEvents('buyer', gone.signal), sessionEvents('seller', gone.signal)])
  await Promise.all([bought('what there is', () => true), sold('what there is', () => true)])
  const started = await call('buyer', 'POST', '/v1/purchases', { listing, options: { max: '0.1' } })
  assert.equal(started.status, 200, JSON.stringify(started.body))
  const { purchase } = started.body as { purchase: string }
  const ours = ({ purchases }: SessionEvent) => {
    const found = purchases.find((one) => one.purchase === purchase)
    assert.equal(found?.problem, undefined, JSON.stringify(found))
    return found
  }
  const session = ours(await bought('it streams', (event) => ours(event)?.status.phase === 'streaming'))?.status.id
  const serves = ({ selling }: SessionEvent): boolean => selling.some(({ id }) => id === session)
  await sold('it is served', serves)
  await call('buyer', 'POST', `/v1/purchases/${purchase}/stop`)
  const ended = await bought('it ended', (event) => ours(event)?.outcome !== undefined)
  assert.equal(ours(ended)?.outcome?.session, session)
  await sold('it is not served any more', (event) => !serves(event))
})

test('a purchase that the node keeps survives kill -9 of the node: every record once, in a file', async () => {
  const many = Array.from({ length: 20_000 }, (_, i) => JSON.stringify({ i, text: `record ${i}` }))
  const source = `jsonl:${await network.file('many.jsonl', `${many.join('\n')}\n`)}`
  const listing = await publish('Kept', { source, price: '0.000001/record' })
  const started = await call('buyer', 'POST', '/v1/purchases', { listing, options: { prepay: '0.0002' } })
  assert.equal(started.status, 200, JSON.stringify(started.body))
  const { purchase } = started.body as { purchase: string }
  await until('some records', async () => {
    const { body } = await call('buyer', 'GET', `/v1/purchases/${purchase}`)
    return BigInt((body as { status: { handled: string } }).status.handled) > 100n ? true : undefined
  })
  process.kill(buyer.pid, 'SIGKILL')
  await buyer.exited
  const left = await ddm(['status', ...home('buyer'), '--json'])
  assert.equal(JSON.parse(left.stdout).running, false)
  buyer = serve(['start', ...network.as('buyer')])
  await buyer.event('ready')
  const ended = await until('the end', async () => {
    const { body } = await call('buyer', 'GET', `/v1/purchases/${purchase}`)
    assert.equal(body.problem, undefined, JSON.stringify(body.problem))
    return body.outcome === undefined ? undefined : (body.outcome as { records: string; due: string; paid: string })
  })
  assert.equal(ended.due, ended.paid)
  const { url, token } = await api('buyer')
  const file = await fetch(`${url}/v1/purchases/${purchase}/file`, { headers: { authorization: `Bearer ${token}` } })
  const records = (await file.text()).trimEnd().split('\n')
  assert.deepEqual(records, many)
  const csv = await fetch(`${url}/v1/purchases/${purchase}/file?format=csv`, {
    headers: { authorization: `Bearer ${token}` }
  })
  assert.match(String(csv.headers.get('content-disposition')), /attachment; filename=".*\.csv"/)
  assert.equal((await csv.text()).trimEnd().split('\r\n').length, 20_001)
})

test('a kept purchase goes on after an orderly restart, and is listed until it is removed when it has ended', async () => {
  const listing = await publish('Kept stream', { source: 'telemetry', period: 5, price: '0.000001/record' })
  const started = await call('buyer', 'POST', '/v1/purchases', { listing, options: { max: '0.1' } })
  assert.equal(started.status, 200, JSON.stringify(started.body))
  const path = `/v1/purchases/${String(started.body.purchase)}`
  const handled = async (least: bigint): Promise<{ id: string; handled: bigint }> =>
    until(`${least} records`, async () => {
      const { status, problem } = (await call('buyer', 'GET', path)).body as Record<string, Record<string, string>>
      assert.equal(problem, undefined, JSON.stringify(problem))
      const count = BigInt(status?.handled ?? 0)
      return count >= least ? { id: status?.id ?? '', handled: count } : undefined
    })
  const restart = async (): Promise<void> => {
    assert.equal((await buyer.stop()).code, 0)
    buyer = serve(['start', ...network.as('buyer')])
    await buyer.event('ready')
  }
  const before = await handled(20n)
  const twice = await call('buyer', 'POST', '/v1/purchases', { resume: before.id })
  assert.match(String(twice.body.detail), /goes on in another purchase of this node/)
  assert.match(String((await call('buyer', 'DELETE', path)).body.detail), /stop it first/)
  await restart()
  const after = await handled(before.handled + 20n)
  assert.equal(after.id, before.id)
  await call('buyer', 'POST', `${path}/stop`)
  const ended = await until('the end', async () => {
    const { body } = await call('buyer', 'GET', path)
    return body.outcome === undefined ? undefined : body
  })
  await restart()
  assert.deepEqual((await call('buyer', 'GET', path)).body, ended)
  const listed = (await call('buyer', 'GET', '/v1/purchases')).body as unknown as object[]
  assert.deepEqual(listed.at(-1), ended)
  const { url, token } = await api('buyer')
  const file = await fetch(`${url}${path}/file`, { headers: { authorization: `Bearer ${token}` } })
  const { records, due, paid } = ended.outcome as Record<string, string>
  assert.equal((await file.text()).trimEnd().split('\n').length, Number(records))
  assert.equal(due, paid)
  assert.equal((await call('buyer', 'DELETE', path)).status, 200)
  await restart()
  assert.equal((await call('buyer', 'GET', path)).status, 404)
})

test('a command that is killed, and a reader that leaves, end their purchase in order: nothing stays unpaid', async () => {
  const listing = await publish('Left early', { source: 'telemetry', period: 5, price: '0.000001/record' })
  const sessions = async (): Promise<
    Array<{ id: string; listingId: string; state: string; due: string; paid: string }>
  > => {
    const { body } = await call('buyer', 'GET', '/v1/sessions')
    return (
      body as unknown as Array<{ id: string; listingId: string; state: string; due: string; paid: string }>
    ).filter(({ listingId }) => listingId === listing)
  }
  let killed = false
  await ddm(['buy', listing, '--max', '0.1', ...home('buyer'), '--json'], {
    onStart: (child) => {
      let lines = 0
      child.stdout?.on('data', (text: string) => {
        lines += text.split('\n').length - 1
        if (lines > 20 && !killed) killed = child.kill('SIGKILL')
      })
    }
  })
  assert.ok(killed)
  const after = await until('the end of the session', async () => {
    const [session] = await sessions()
    return session?.state === 'closed' ? session : undefined
  })
  assert.equal(after.due, after.paid)
  const left = await ddm(['buy', listing, '--max', '0.1', ...home('buyer'), '--json'], {
    onStart: (child) => {
      child.stdout?.once('data', () => child.stdout?.destroy())
    }
  })
  assert.equal(left.code, 130, left.stderr)
  const states = await until('the end of both', async () => {
    const all = await sessions()
    return all.length === 2 && all.every(({ state }) => state === 'closed') ? all : undefined
  })
  for (const { due, paid } of states) assert.equal(due, paid)
})

test('products are on sale again after a restart; paused, resumed and retired ones are what they were made', async () => {
  const [kept, paused, retired] = [await publish('Kept on'), await publish('Pausing'), await publish('Retiring')]
  const [pausedOff, retiredOff] = [await publish('Pausing off'), await publish('Retiring off')]
  const set = async (verb: string, id: string, flags = home('seller')): Promise<void> => {
    const ran = await ddm(['listings', verb, id, ...flags, '--json'])
    assert.equal(ran.code, 0, ran.stderr)
  }
  await set('pause', paused)
  await set('retire', retired)
  const selling = async (): Promise<string[]> => {
    const { body } = await call('seller', 'GET', '/v1/products')
    return (body as unknown as Array<{ listing: { id: string } }>).map(({ listing }) => listing.id)
  }
  assert.ok((await seller.stop()).code === 0)
  // No node runs that could note it.
  await set('pause', pausedOff, network.as('seller'))
  await set('retire', retiredOff, network.as('seller'))
  seller = serve(['start', ...network.as('seller')])
  await seller.event('ready')
  const now = await selling()
  assert.ok(now.includes(kept))
  assert.ok([paused, retired, pausedOff, retiredOff].every((id) => !now.includes(id)))
  const { version, status } = (await call('seller', 'GET', `/v1/listings/${pausedOff}`)).body
  assert.deepEqual([version, status], [1, 'paused'])
  const bought = await ddm(['buy', kept, '-n', '5', '--max', '0.1', ...home('buyer'), '--json'])
  assert.equal(bought.code, 0, bought.stderr)
  const found = await ddm(['search', 'pausing', ...home('buyer'), '--json'])
  assert.equal(found.stdout, '')
  await set('resume', paused)
  assert.ok((await selling()).includes(paused))
  const own = await ddm(['listings', 'list', ...home('seller'), '--json'])
  const statuses = Object.fromEntries(
    own.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string; status: string })
      .map(({ id, status }) => [id, status])
  )
  assert.deepEqual([statuses[kept], statuses[paused], statuses[retired]], ['active', 'active', 'retired'])
})

test('an address that another node left behind is not asked, and gets no token', async () => {
  const { url } = await api('seller')
  const folder = join(network.folder, 'other')
  const { mkdir } = await import('node:fs/promises')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'api.json'), JSON.stringify({ url, pid: 1 }))
  await writeFile(join(folder, 'api.token'), `${(await api('seller')).token}\n`)
  const ran = await ddm(['status', '--home', folder, '--json'])
  assert.equal(JSON.parse(ran.stdout).running, false)

  let asked = 0
  const stranger = createServer((_, response) => {
    asked += 1
    response.end('{}')
  })
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve))
  const { port } = stranger.address() as AddressInfo
  await writeFile(join(folder, 'api.json'), JSON.stringify({ url: `http://127.0.0.1:${port}`, pid: 1 }))
  await ddm(['status', '--home', folder, '--json'])
  assert.equal(asked, 0)
  stranger.close()
})
