import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { SessionStore } from '../../../src/interface/index.ts'
import { sdppSeller } from '../../../src/protocols/sdpp/index.ts'
import { encodePlain, encodeSigned } from '../../../src/protocols/sdpp/messages.ts'
import { transcriptStart } from '../../../src/statements/index.ts'
import { jsonRecords, makePair, openStreams, silent, until } from '../../support/sdpp.ts'
import { RawBuyer } from '../../support/sdpp-raw.ts'

test('a RESUME that overtakes the answer to its own ORDER ends the stream of the order: one session, one stream', async (t) => {
  const pair = await makePair(t)
  await pair.log.append(jsonRecords(100))
  const stored = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  // The disk has the order, and its answer takes its time.
  let puts = 0
  const put: SessionStore['put'] = async (...session) => {
    await pair.sellerLedger.sessions.put(...session)
    if (puts++ > 0) return
    stored.resolve()
    await answer.promise
  }
  let onStream: ((stream: Stream, connection: Connection) => void) | undefined
  const seller = sdppSeller()({
    registrar: {
      handle: async (_protocol, handler) => {
        onStream = handler
      },
      unhandle: async () => {}
    },
    signer: pair.sellerSigner,
    catalog: { products: () => [pair.product] } as never,
    sessions: { ...pair.sellerLedger.sessions, put },
    logger: silent
  })
  await seller.start()
  const open = async (): Promise<RawBuyer> => {
    const [outbound, inbound] = await openStreams()
    onStream?.(inbound, { remotePeer: peerIdFromString(pair.buyerSigner.peerId) } as unknown as Connection)
    return new RawBuyer(pair, outbound)
  }

  const [ordering, resuming] = await Promise.all([open(), open()])
  await ordering.hello()
  const order = ordering.makeOrder()
  ordering.send(encodeSigned('ORDER', order))
  await stored.promise
  const root = transcriptStart(order.link.bytes)
  resuming.send(encodePlain('RESUME', { session: order.link, position: 0n, root, paid: 0n }))
  await until('the older stream has ended', () => ordering.ended)
  answer.resolve()
  await resuming.next('ACCEPT')
  assert.deepEqual(
    ordering.seen.map(({ name }) => name),
    ['OFFER', 'STATUS']
  )
  assert.deepEqual(
    seller.sessions().map(({ id }) => id),
    [order.cid]
  )
  resuming.stream.abort(new Error('done'))
  await seller.stop()
})
