import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { CLOSE_REASON } from '../../../src/protocols/sdpp/index.ts'
import { encodePlain } from '../../../src/protocols/sdpp/messages.ts'
import { countingPayee, jsonRecords, ManualClock, makePair, openStreams, serve, until } from '../../support/sdpp.ts'
import { RawBuyer } from '../../support/sdpp-raw.ts'

/** A seller whose disk or ledger takes its time with a payment that came: five records at 100 each, sent and asked for. */
async function selling(t: TestContext) {
  const stored = Promise.withResolvers<void>()
  const ends: Array<[due: bigint, credited: bigint]> = []
  const payee = countingPayee(10n ** 12n, {
    credit: async () => {
      await stored.promise
    },
    end: async (due, credited) => {
      ends.push([due, credited])
      return undefined
    }
  })
  const pair = await makePair(t, { payee })
  await pair.log.append(jsonRecords(5))
  const [outbound, inbound] = await openStreams()
  const clock = new ManualClock()
  const { session, done } = serve(pair, inbound, { clock })
  const buyer = new RawBuyer(pair, outbound)
  await buyer.hello()
  await buyer.order({ k: 5n })
  await until('it was sent', () => session.status.sent === 5n)
  await buyer.next('DATA')
  await buyer.next('INVOICE')
  return { pair, clock, session, done, buyer, stored, ends }
}

/** PINGs go both ways while the clock moves: neither side is silent. */
function wait(clock: ManualClock, buyer: RawBuyer, seconds: number): Promise<void> {
  const turn = async (left: number): Promise<void> => {
    if (left === 0 || buyer.ended) return
    clock.advance(1_000)
    buyer.send(encodePlain('PING', {}))
    await new Promise((resolve) => setTimeout(resolve, 1))
    return turn(left - 1)
  }
  return turn(seconds)
}

test('a payment that came in time is in the receipt, however long it takes to be stored', async (t) => {
  const { buyer, clock, session, stored, ends, done } = await selling(t)
  buyer.send(encodePlain('CLOSE', { reason: BigInt(CLOSE_REASON.buyerDone), n: 5n }))
  await buyer.next('CLOSE')
  await buyer.next('INVOICE')
  buyer.pay(500n, 500n, 5n)
  await wait(clock, buyer, 25)
  assert.deepEqual([session.status.phase, ends], ['settling', []])
  stored.resolve()
  const { content } = (await buyer.next('RECEIPT')).statement
  assert.deepEqual([content.due, content.credited, ends], [500n, 500n, [[500n, 500n]]])
  buyer.stream.abort(new Error('gone'))
  await done
})

test('the time for the rest runs on while a part is judged; the receipt waits for it', async (t) => {
  const { buyer, clock, session, stored, ends, done } = await selling(t)
  buyer.send(encodePlain('CLOSE', { reason: BigInt(CLOSE_REASON.buyerDone), n: 5n }))
  await buyer.next('CLOSE')
  await buyer.next('INVOICE')
  buyer.pay(300n, 300n, 5n)
  await wait(clock, buyer, 25)
  assert.deepEqual([session.status.phase, ends], ['receipted', []])
  stored.resolve()
  const { content } = (await buyer.next('RECEIPT')).statement
  assert.deepEqual([content.due, content.credited, ends], [500n, 300n, [[500n, 300n]]])
  buyer.stream.abort(new Error('gone'))
  await done
})

test('while it streams, who has paid in time is not cut for what the ledger takes to show it', async (t) => {
  const { pair, buyer, clock, session, stored, done } = await selling(t)
  buyer.pay(500n, 500n, 5n)
  await wait(clock, buyer, 25)
  assert.equal(session.status.phase, 'streaming')
  stored.resolve()
  await until('it is credited', () => session.status.credited === 500n)
  await pair.log.append(jsonRecords(5, 5))
  await until('it goes on', () => session.status.sent === 10n)
  await wait(clock, buyer, 25)
  await buyer.end()
  assert.equal(session.status.phase, 'failed', 'the next invoice was not paid')
  await done
})
