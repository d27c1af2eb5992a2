import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BuyerGate } from '../../../src/interface/index.ts'
import { STATUS } from '../../../src/protocols/sdpp/index.ts'
import { encodeSigned } from '../../../src/protocols/sdpp/messages.ts'
import { payerOf } from '../../../src/protocols/sdpp/negotiation.ts'
import { makePair, openStreams, serve } from '../../support/sdpp.ts'
import { RawBuyer } from '../../support/sdpp-raw.ts'

const PAYER = `0x${'c1'.repeat(20)}` as const
const SIGNER = `0x${'c2'.repeat(20)}` as const

test('an account is the one that signed for the order; one that a channel names and did not sign is only named', () => {
  const payerIs = (order: object): object => payerOf({ rail: 'evm', ...order } as never)
  const config = { payer: PAYER, payerAuthorizer: SIGNER }
  assert.deepEqual(payerIs({ config }), { named: PAYER })
  assert.deepEqual(payerIs({ config, accountAuth: '0x01' }), { account: PAYER })
  assert.deepEqual(payerIs({ config: { payer: PAYER, payerAuthorizer: PAYER } }), { account: PAYER })
  assert.deepEqual(payerIs({ rail: 'iota', account: PAYER, accountAuth: '0x01' }), { account: PAYER })
  const meddled = { config: { payer: SIGNER, payerAuthorizer: SIGNER }, account: PAYER, accountAuth: '0x01' }
  assert.deepEqual(payerIs({ rail: 'iota', ...meddled }), { account: PAYER }, 'a channel is nothing to this rail')
  assert.deepEqual(payerIs({ rail: 'free', account: PAYER, accountAuth: '0x01' }), {})
})

test('a rail without accounts asks whether the buyer may buy, whatever account the order names', async (t) => {
  const pair = await makePair(t)
  for (const named of [{}, { account: `0x${'33'.repeat(32)}` as const }]) {
    const asked: string[] = []
    const gate: BuyerGate = {
      greets: () => true,
      admits: async ({ peerId }) => {
        asked.push(peerId)
        return { status: 'forbidden', text: 'this buyer is not served' }
      }
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
