import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Stream } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import type { SessionStore, TrustLedger } from '../../../src/interface/index.ts'
import { createTrustLedger } from '../../../src/node/trust.ts'
import { encodePlain, encodeSigned } from '../../../src/protocols/sdpp/messages.ts'
import { transcriptStart } from '../../../src/statements/index.ts'
import { memoryTrustStore } from '../../support/memory-trust.ts'
import { jsonRecords, makePair, openStreams, serve } from '../../support/sdpp.ts'
import { fillWindow, RawBuyer } from '../../support/sdpp-raw.ts'

/** A buyer who is gone before it was answered keeps no credit: what it owes stays a debt, and nothing is open. */
async function market(t: TestContext) {
  const pair = await makePair(t, { product: { creditForAll: true } })
  await pair.log.append(jsonRecords(1_000))
  const trust = createTrustLedger({ store: memoryTrustStore(), strangerCredit: 1_000n })
  const standing = async () => {
    const { peer } = await trust.standing('seller', { peer: pair.buyerSigner.peerId })
    return [peer.open, peer.debt]
  }
  return { pair, trust, standing }
}

type Market = Awaited<ReturnType<typeof market>>

/** The buyer goes while the seller stores what makes its answer binding. */
function endsWhileStored(sessions: SessionStore, stream: () => Stream): SessionStore {
  return {
    ...sessions,
    put: async (record, commit, options) => {
      await sessions.put(record, commit, options)
      if (commit?.statements?.some(({ kind }) => kind === 'accept') === true) stream().abort(new Error('cable cut'))
    }
  }
}

/** 100 records were sent on credit, none was paid, and the stream was cut. */
async function cut({ pair, trust }: Market): Promise<CID> {
  const { outbound, buyer, done } = await fillWindow(pair, { trust })
  outbound.abort(new Error('cable cut'))
  await done
  return buyer.session as CID
}

function bound(trust: TrustLedger): TrustLedger {
  return {
    grant: (request, options) => trust.grant(request, options),
    offerable: (request, options) => trust.offerable(request, options),
    close: (end, options) => trust.close(end, options),
    reopen: (request, options) => trust.reopen(request, options),
    standing: (role, who, options) => trust.standing(role, who, options),
    owed: (role, who, except, options) => trust.owed(role, who, except, options),
    outstanding: (role, options) => trust.outstanding(role, options)
  }
}

function resume(session: CID): Uint8Array {
  return encodePlain('RESUME', { session, position: 0n, root: transcriptStart(session.bytes), paid: 0n })
}

test('a RESUME whose stream ends while it is answered', async (t) => {
  const at = await market(t)
  const session = await cut(at)
  assert.deepEqual(await at.standing(), [0n, 10_000n])
  const before = await at.pair.sellerLedger.sessions.get(session.toString(), 'seller')
  const [outbound, inbound] = await openStreams()
  const sessions = endsWhileStored(at.pair.sellerLedger.sessions, () => inbound)
  const { session: selling, done } = serve(at.pair, inbound, { trust: at.trust, sessions })
  outbound.send(resume(session))
  await done
  await selling.supersede()
  assert.deepEqual(await at.standing(), [0n, 10_000n])
  assert.deepEqual(await at.pair.sellerLedger.sessions.get(session.toString(), 'seller'), before)
})

test('a RESUME that cannot be answered', async (t) => {
  const at = await market(t)
  const session = await cut(at)
  const [outbound, inbound] = await openStreams()
  const signer = {
    ...at.pair.sellerSigner,
    sign: () => {
      throw new Error('the key is gone')
    }
  }
  const { session: selling, done } = serve(at.pair, inbound, { trust: at.trust, signer })
  const buyer = new RawBuyer(at.pair, outbound)
  buyer.send(resume(session))
  await buyer.status()
  await done
  await selling.supersede()
  assert.deepEqual(await at.standing(), [0n, 10_000n])
})

test('an ORDER whose stream ends while it is answered', async (t) => {
  const at = await market(t)
  const [outbound, inbound] = await openStreams()
  const sessions = endsWhileStored(at.pair.sellerLedger.sessions, () => inbound)
  const given = Promise.withResolvers<void>()
  const close: TrustLedger['close'] = async (end) => {
    await at.trust.close(end)
    given.resolve()
  }
  const { done } = serve(at.pair, inbound, { trust: { ...bound(at.trust), close }, sessions })
  const buyer = new RawBuyer(at.pair, outbound)
  await buyer.hello()
  const order = buyer.makeOrder()
  buyer.send(encodeSigned('ORDER', order))
  await done
  await given.promise
  assert.deepEqual(await at.standing(), [0n, 0n])
})

/** Streams that end a little later each time: one of them between the answer and its acceptance. */
async function endsSoonAfterStored(at: Market, first: (stream: Stream) => Promise<void>): Promise<void> {
  for (let turns = 0; turns < 24; turns++) {
    const [outbound, inbound] = await openStreams()
    const { sessions } = at.pair.sellerLedger
    let ended = 0
    const late: SessionStore = {
      ...sessions,
      put: async (record, commit, options) => {
        await sessions.put(record, commit, options)
        if (commit?.statements?.some(({ kind }) => kind === 'accept') !== true || ended++ > 0) return
        const end = (left: number): void => {
          if (left === 0) inbound.abort(new Error('cable cut'))
          else queueMicrotask(() => end(left - 1))
        }
        end(turns)
      }
    }
    const { session: selling, done } = serve(at.pair, inbound, { trust: at.trust, sessions: late })
    await first(outbound)
    await done
    await selling.supersede()
    for (let i = 0; i < 200 && (await at.standing())[0] !== 0n; i++) await new Promise((r) => setTimeout(r, 5))
    assert.equal((await at.standing())[0], 0n, `nothing is open after ${turns} turns`)
  }
}

test('an ORDER whose stream ends just before it is accepted', async (t) => {
  const at = await market(t)
  await endsSoonAfterStored(at, async (stream) => {
    const buyer = new RawBuyer(at.pair, stream)
    await buyer.hello()
    buyer.send(encodeSigned('ORDER', buyer.makeOrder()))
  })
})

test('a RESUME whose stream ends just before it is accepted', async (t) => {
  const at = await market(t)
  const session = await cut(at)
  await endsSoonAfterStored(at, async (stream) => void stream.send(resume(session)))
  assert.equal((await at.pair.sellerLedger.sessions.get(session.toString(), 'seller'))?.state, 'suspended')
  assert.deepEqual(await at.standing(), [0n, 10_000n])
})
