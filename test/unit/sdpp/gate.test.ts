import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BuyerGate } from '../../../src/interface/index.ts'
import { STATUS } from '../../../src/protocols/sdpp/index.ts'
import { encodeSigned } from '../../../src/protocols/sdpp/messages.ts'
import { makePair, openStreams, serve } from '../../support/sdpp.ts'
import { RawBuyer } from '../../support/sdpp-raw.ts'

test('a rail without accounts asks whether the buyer may buy, whatever account the order names', async (t) => {
  const pair = await makePair(t)
  for (const named of [{}, { account: `0x${'33'.repeat(32)}` as const }]) {
    const asked: string[] = []
    const gate: BuyerGate = {
      greets: () => true,
      admits: async ({ peerId }) => {
        asked.push(peerId)
        return { status: 'forbidden', text: 'this buyer is not served' }
      },
      enters: () => undefined
    }
    const [outbound, inbound] = await openStreams()
    const { done } = serve(pair, inbound, { gate })
    const buyer = new RawBuyer(pair, outbound)
    await buyer.hello()
    buyer.send(encodeSigned('ORDER', buyer.makeOrder(named)))
    assert.equal(await buyer.status(), STATUS.forbidden)
    assert.deepEqual(asked, [pair.buyerSigner.peerId])
    await done
  }
})
