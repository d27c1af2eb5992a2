import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BadRecord, joinRecords, recordEnds } from '../../../src/interface/index.ts'
import { CheckedInbox } from '../../../src/protocols/sdpp/checked-inbox.ts'
import type { Message } from '../../../src/protocols/sdpp/messages.ts'
import { SdppError, STATUS } from '../../../src/protocols/sdpp/status.ts'

/** An inbox whose judge answers when the test says so. */
function setUp(take: (message: Message) => void = () => {}) {
  const log: string[] = []
  const questions: Array<PromiseWithResolvers<BadRecord | undefined> & { count: number; bytes: Uint8Array }> = []
  const validator = {
    check: (bytes: Uint8Array, count: number) => {
      const question = { ...Promise.withResolvers<BadRecord | undefined>(), bytes, count }
      questions.push(question)
      return question.promise
    }
  }
  const inbox = new CheckedInbox(validator, {
    take: (message, bad) => {
      log.push(bad === undefined ? message.name : `${message.name}!${bad.index}`)
      take(message)
    },
    fail: (error) => log.push(`fail ${(error as Error).message}`),
    pause: () => log.push('pause'),
    resume: () => log.push('resume')
  })
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  return { inbox, log, questions, settle }
}

function data(count: number, size = 1): Message {
  const bytes = joinRecords(Array.from({ length: count }, () => new Uint8Array(size)))
  return {
    name: 'DATA',
    data: { blockStart: 0n, first: 0n, count, endOfBlock: false, bytes, ends: recordEnds(bytes, count) }
  }
}
const ping: Message = { name: 'PING', content: {} }

test('what needs no judge is taken at once; what follows records waits for them', async () => {
  const { inbox, log, questions, settle } = setUp()
  inbox.push(ping)
  assert.deepEqual(log, ['PING'])
  inbox.push(data(2))
  inbox.push(ping)
  inbox.end(() => log.push('end'))
  assert.deepEqual(log, ['PING'])
  questions[0]?.resolve(undefined)
  await settle()
  assert.deepEqual(log, ['PING', 'DATA', 'PING', 'end'])
})

test('frames that came meanwhile are judged together; the bad record is named in its own, nothing after it is judged', async () => {
  const { inbox, log, questions, settle } = setUp()
  inbox.push(data(3))
  inbox.push(data(4))
  inbox.push(data(5))
  inbox.push(ping)
  inbox.push(data(6))
  questions[0]?.resolve(undefined)
  await settle()
  assert.equal(questions[1]?.count, 9)
  assert.equal(questions[1]?.bytes.length, 45)
  questions[1]?.resolve({ index: 4, reason: 'x' })
  await settle()
  assert.deepEqual(log, ['DATA', 'DATA', 'DATA!0', 'PING', 'DATA'])
  assert.equal(questions.length, 2)
})

test('nothing more is read while too much waits', async () => {
  for (const message of [data(1, 600_000), ping]) {
    const { inbox, log, questions, settle } = setUp()
    inbox.push(data(1))
    for (let i = 0; i < 2_000 && log.length === 0; i++) inbox.push(message)
    assert.deepEqual(log, ['pause'])
    inbox.push(message)
    assert.deepEqual(log, ['pause'])
    questions[0]?.resolve(undefined)
    await settle()
    questions[1]?.resolve(undefined)
    await settle()
    assert.equal(log.at(-1), 'resume')
  }
})

test('a judge that cannot judge, and a message that is wrong, end it; what waits is dropped, the end still comes', async () => {
  const first = setUp()
  first.inbox.push(data(1))
  first.inbox.push(ping)
  first.questions[0]?.reject(new Error('too slow'))
  await first.settle()
  assert.deepEqual(first.log, ['fail too slow'])
  first.inbox.push(ping)
  first.inbox.end(() => first.log.push('end'))
  assert.deepEqual(first.log, ['fail too slow', 'end'])
  const second = setUp(() => {
    throw new SdppError(STATUS.unexpected, 'wrong')
  })
  second.inbox.push(ping)
  assert.deepEqual(second.log, ['PING', 'fail wrong'])
})

test('closed while records are judged: the answer is nobody’s', async () => {
  const { inbox, log, questions, settle } = setUp()
  inbox.push(data(1))
  inbox.push(ping)
  inbox.close()
  questions[0]?.resolve({ index: 0, reason: 'x' })
  await settle()
  assert.deepEqual(log, [])
})
