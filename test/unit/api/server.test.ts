import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Followings } from '../../../src/api/followings.ts'
import { Purchases, type PurchasesInit } from '../../../src/api/purchases.ts'
import { type ApiServer, type ApiServerInit, serveApi } from '../../../src/api/server.ts'
import { DdmError, type Listing } from '../../../src/interface/index.ts'
import { createLogger, type LocalPurchase, NOT_YET } from '../../../src/node/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

/** The API as it is served, over a node that buys nothing. */

const logger = createLogger({ level: 'error' })

async function serve(t: TestContext, node: Partial<PurchasesInit['node']> = {}): Promise<ApiServer & { home: string }> {
  const home = await tempDir(t)
  const host = {
    node: { home, listings: { get: async () => LISTING } },
    purchases: new Purchases({ node: { home, ...node } as PurchasesInit['node'], logger, takenWithinMs: 1 }),
    followings: new Followings({ follow: () => assert.fail('nothing is followed') }),
    startedAt: 0
  } as unknown as ApiServerInit['host']
  const server = await serveApi({ host, listen: { address: '127.0.0.1', port: 0 }, hosts: [], logger, page: undefined })
  t.after(() => server.stop())
  return { ...server, home }
}

const LISTING = { id: '0x12', document: { title: 'Wind' } } as unknown as Listing

async function ask({ url, token }: ApiServer, method: string, path: string, body?: object) {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  const [type] = (response.headers.get('content-type') ?? '').split(';')
  return { status: response.status, type, body: (await response.json()) as Record<string, unknown> }
}

test('/health says that the node stops while it finishes; nothing else is answered any more', async (t) => {
  const server = await serve(t)
  assert.equal((await ask(server, 'GET', '/health')).body.status, 'ok')
  let finished = false
  await server.stop(async () => {
    assert.equal((await ask(server, 'GET', '/health')).body.status, 'stopping')
    const refused = await ask(server, 'GET', '/v1/purchases')
    assert.deepEqual([refused.status, refused.type], [503, 'application/problem+json'])
    finished = true
  })
  assert.ok(finished)
  await assert.rejects(fetch(`${server.url}/health`))
})

test('events of what is not there are a problem with 404, not a stream', async (t) => {
  const server = await serve(t)
  for (const path of ['purchases/none/records', 'purchases/none/live', 'followings/none/records']) {
    const { status, type, body } = await ask(server, 'GET', `/v1/${path}`)
    assert.deepEqual([status, type, body.code], [404, 'application/problem+json', 'notFound'], path)
  }
})

test('a purchase whose records nobody takes is ended', async (t) => {
  const ended = Promise.withResolvers<never>()
  const stop = (): void => ended.reject(new DdmError('aborted', 'the purchase was stopped'))
  const server = await serve(t, {
    buy: () => ({ done: ended.promise, stop, status: NOT_YET }) as unknown as LocalPurchase
  })
  await ask(server, 'POST', '/v1/purchases', { listing: '0x12', keep: 'caller' })
  await assert.rejects(ended.promise, { message: 'the purchase was stopped' })
})

test('whoever takes the records of a purchase that has failed already is told why', async (t) => {
  const failed = Promise.reject(new DdmError('budget', 'this would cost more than the cap'))
  failed.catch(() => {})
  const server = await serve(t, {
    buy: () => ({ done: failed, stop: () => {}, status: NOT_YET }) as unknown as LocalPurchase
  })
  const { body } = await ask(server, 'POST', '/v1/purchases', { listing: '0x12', keep: 'caller' })
  const refused = await ask(server, 'GET', `/v1/purchases/${String(body.purchase)}/records`)
  assert.deepEqual([refused.status, refused.body.code], [403, 'budget'])
})

test('a session that cannot be resumed leaves neither a note nor a file', async (t) => {
  const server = await serve(t, {
    sessions: {
      resume: async () => {
        throw new DdmError('usage', 'session 12 is closed: there is nothing to resume')
      }
    } as unknown as PurchasesInit['node']['sessions']
  })
  assert.equal((await ask(server, 'POST', '/v1/purchases', { resume: '12' })).status, 400)
  assert.deepEqual(await readdir(join(server.home, 'purchases')), [])
})
