import assert from 'node:assert/strict'
import { test } from 'node:test'
import { STALL_TIMEOUT_MS } from '../../../src/protocols/sdpp/constants.ts'
import { type SdppError, STATUS } from '../../../src/protocols/sdpp/index.ts'
import { encodePlain } from '../../../src/protocols/sdpp/messages.ts'
import { Wire, type WireStream } from '../../../src/protocols/sdpp/wire.ts'
import { ManualClock, silent } from '../../support/sdpp.ts'

/** A stream whose other end pings and, while `reads` is false, takes nothing. */
class Lazy extends EventTarget {
  status = 'open'
  reads = false

  send(): boolean {
    return this.reads
  }

  async close(): Promise<void> {}

  abort(): void {
    this.status = 'aborted'
  }

  pings(): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: encodePlain('PING', {}) }))
  }
}

function open(): { stream: Lazy; wire: Wire; clock: ManualClock; ends: Array<SdppError | undefined> } {
  const stream = new Lazy()
  const clock = new ManualClock()
  const ends: Array<SdppError | undefined> = []
  const handlers = { onMessage: () => {}, onDrain: () => {}, onEnd: (error?: SdppError) => void ends.push(error) }
  const wire = new Wire(stream as unknown as WireStream, handlers, clock, silent)
  return { stream, wire, clock, ends }
}

async function live(clock: ManualClock, stream: Lazy, milliseconds: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += 10_000) {
    stream.pings()
    clock.advance(10_000)
    await Promise.resolve()
  }
}

test('a peer that pings and never reads is given up', async () => {
  const { stream, wire, clock, ends } = open()
  wire.send(encodePlain('PING', {}))
  await Promise.resolve()
  assert.equal(wire.writable, false)
  await live(clock, stream, STALL_TIMEOUT_MS - 10_000)
  assert.equal(ends.length, 0)
  await live(clock, stream, 30_000)
  const [error] = ends
  assert.equal(error?.code, STATUS.timeout)
  assert.match(error?.message ?? '', /nothing was read for 1\d\d s/)
})

test('one that reads now and then is not', async () => {
  const { stream, wire, clock, ends } = open()
  for (let times = 0; times < 5; times++) {
    wire.send(encodePlain('PING', {}))
    await live(clock, stream, STALL_TIMEOUT_MS - 20_000)
    stream.dispatchEvent(new Event('drain'))
    assert.equal(wire.writable, true)
  }
  assert.deepEqual(ends, [])
})
