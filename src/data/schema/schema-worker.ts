import { parentPort } from 'node:worker_threads'
import { type BadRecord, splitRecords } from '../../interface/index.ts'
import { compileRecordCheck, type RecordCheck } from './compile.ts'
import type { SchemaAnswer, SchemaRequest } from './protocol.ts'
import { SchemaError } from './schema-error.ts'

/** The thread in which strangers' schemas are compiled and run: it may be killed at any time. */
if (parentPort === null) throw new Error('this file is the thread of a record validator')
const port = parentPort
const checks = new Map<number, RecordCheck>()

function answer(request: SchemaRequest): SchemaAnswer {
  switch (request.type) {
    case 'open':
      checks.set(request.id, compileRecordCheck(request.rules))
      return { type: 'done', bad: [] }
    case 'close':
      checks.delete(request.id)
      return { type: 'done', bad: [] }
    case 'check': {
      const check = checks.get(request.id) as RecordCheck
      const bad: BadRecord[] = []
      for (const [index, record] of splitRecords(request.bytes, request.count).entries()) {
        const reason = check(record)
        if (reason === undefined) continue
        bad.push({ index, reason })
        if (!request.each) break
      }
      return { type: 'done', bad }
    }
  }
}

port.on('message', (request: SchemaRequest) => {
  try {
    port.postMessage(answer(request))
  } catch (error) {
    if (!(error instanceof SchemaError || error instanceof RangeError)) throw error
    // RangeError: a recursive schema and a record that nests deeper than the stack.
    port.postMessage({ type: 'refused', reason: error.message })
  }
})
port.postMessage({ type: 'ready' } satisfies SchemaAnswer)
