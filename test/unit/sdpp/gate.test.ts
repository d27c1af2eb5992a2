import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { BuyerGate, PayeeSession } from '../../../src/interface/index.ts'
import { STATUS } from '../../../src/protocols/sdpp/index.ts'
import { encodeSigned } from '../../../src/protocols/sdpp/messages.ts'
import { countingPayee, jsonRecords, makeBuyer, makePair, openStreams, serve } from '../../support/sdpp.ts'
import { RawBuyer } from '../../support/sdpp-raw.ts'

/** Whose account an order is entered under. */
async function enteredAs(t: TestContext, rail: Partial<PayeeSession>): Promise<Array<string | undefined>> {
  const pair = await makePair(t, { payee: countingPayee(0n, rail), document: { freeRange: { from: 0, to: 2 } } })
  await pair.log.append(jsonRecords(2))
  await pair.log.finish()
  const entered: Array<string | undefined> = []
  const gate: BuyerGate = {
    greets: () => true,
    admits: async () => undefined,
    enters: ({ account }) => {
      entered.push(account)
      return undefined
    }
  }
  const [outbound, inbound] = await openStreams()
  const { done } = serve(pair, inbound, { gate })
  const buyer = makeBuyer(pair, outbound, { wish: { from: { offset: 0n }, quantity: 2n, prepay: 0n, maximum: 0n } })
  await buyer.open()
  for await (const _ of buyer.batches());
  await buyer.done
  await done
  return entered
}

test('an account that a channel names and nothing has funded is nobody yet', async (t) => {
  assert.deepEqual(await enteredAs(t, { account: 'named' }), [undefined])
})

test('an account that signed the order is itself, however little it holds', async (t) => {
  assert.deepEqual(await enteredAs(t, { account: 'signed', transfers: true }), ['signed'])
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
