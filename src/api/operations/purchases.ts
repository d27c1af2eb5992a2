import { createReadStream } from 'node:fs'
import Type from 'typebox'
import { DdmError } from '../../interface/index.ts'
import { type BuyOptions, LineSplitter, type Purchase } from '../../node/index.ts'
import { csvLines, csvTable } from '../csv-lines.ts'
import { latest } from '../latest.ts'
import { eventOperation, operation, rawOperation, type ServerEvent } from '../operation.ts'
import { problemOf } from '../problem.ts'
import type { Bought } from '../purchases.ts'
import { encodeRecords } from '../records.ts'
import { Name, OneOf } from '../schemas/common.ts'
import { Empty } from '../schemas/node.ts'
import { OutcomeSchema, ProblemSchema, PurchaseSchema, PurchaseWishSchema, RecordsSchema } from '../schemas/purchase.ts'
import { every } from '../timing.ts'

const PurchasePath = Type.Object({ purchase: Name })

/** How often a state that changes all the time is told. */
const STATUS_MS = 250

export const listPurchases = operation({
  id: 'listPurchases',
  method: 'GET',
  path: '/v1/purchases',
  summary: 'purchases that were asked for over the API: those that the node keeps, over restarts, and those of callers',
  result: Type.Array(PurchaseSchema),
  run: async ({ purchases }) => purchases.list()
})

export const startPurchase = operation({
  id: 'startPurchase',
  method: 'POST',
  path: '/v1/purchases',
  summary: 'buys, or goes on with a session; who asked takes the records, or the node keeps them',
  command: ['buy', 'sample', 'sessions resume'],
  body: PurchaseWishSchema,
  result: PurchaseSchema,
  run: async ({ node, purchases }, { body }, abort) => {
    const { listing, resume, keep = 'node', options = {} } = body
    if ((listing === undefined) === (resume === undefined)) {
      throw new DdmError('usage', 'name a listing to buy, or a session to resume: one of the two')
    }
    const target =
      listing === undefined ? { session: resume ?? '' } : { listing: await node.listings.get(listing, abort) }
    return purchases.start(target, keep, options as BuyOptions)
  }
})

export const getPurchase = operation({
  id: 'getPurchase',
  method: 'GET',
  path: '/v1/purchases/:purchase',
  summary: 'how a purchase stands',
  params: PurchasePath,
  result: PurchaseSchema,
  run: async ({ purchases }, { params }) => purchases.get(params.purchase)
})

export const stopPurchase = operation({
  id: 'stopPurchase',
  method: 'POST',
  path: '/v1/purchases/:purchase/stop',
  summary: 'ends a purchase in an orderly way',
  params: PurchasePath,
  result: PurchaseSchema,
  run: async ({ purchases }, { params }) => {
    purchases.stop(params.purchase)
    return purchases.get(params.purchase)
  }
})

export const removePurchase = operation({
  id: 'removePurchase',
  method: 'DELETE',
  path: '/v1/purchases/:purchase',
  summary: 'forgets a purchase that has ended, and the file of its records; its receipt stays',
  params: PurchasePath,
  result: Empty,
  run: async ({ purchases }, { params }) => {
    await purchases.remove(params.purchase)
    return {}
  }
})

export const commitPurchase = operation({
  id: 'commitPurchase',
  method: 'POST',
  path: '/v1/purchases/:purchase/commit',
  summary: 'says that every record handed out is durable at the caller',
  params: PurchasePath,
  body: Type.Object({ mark: Type.Optional(Type.String({ maxLength: 10_000 })) }, { additionalProperties: false }),
  result: Empty,
  run: async ({ purchases }, { params, body }) => {
    await purchases.commit(params.purchase, body.mark)
    return {}
  }
})

/** The caller's own purchase: ends in an orderly way when the caller is gone. */
export const takeRecords = eventOperation({
  id: 'takeRecords',
  method: 'GET',
  path: '/v1/purchases/:purchase/records',
  summary: 'the records of a purchase that the caller keeps, no faster than they are taken',
  params: PurchasePath,
  events: { records: RecordsSchema, status: PurchaseSchema, done: OutcomeSchema, problem: ProblemSchema },
  run: ({ purchases }, { params: { purchase } }, { signal }) => {
    const running = purchases.take(purchase)
    return taken(running, () => purchases.get(purchase), signal)
  }
})

async function* taken(running: Purchase, standing: () => Bought, signal: AbortSignal): AsyncGenerator<ServerEvent> {
  const onGone = (): void => running.stop()
  signal.addEventListener('abort', onGone, { once: true })
  let toldAt = 0
  try {
    for await (const batch of running.batches()) {
      yield { event: 'records', data: encodeRecords(batch) }
      if (running.idle || performance.now() - toldAt > STATUS_MS) {
        toldAt = performance.now()
        yield { event: 'status', data: standing() }
      }
    }
    const outcome = await running.done
    yield { event: 'status', data: { ...standing(), outcome } }
    yield { event: 'done', data: outcome }
  } catch (error) {
    yield { event: 'problem', data: problemOf(error) }
  } finally {
    signal.removeEventListener('abort', onGone)
    running.stop()
  }
}

export const viewPurchase = eventOperation({
  id: 'viewPurchase',
  method: 'GET',
  path: '/v1/purchases/:purchase/live',
  summary: 'looks on at a purchase that the node keeps: its state, the newest records and those that come',
  params: PurchasePath,
  events: { records: RecordsSchema, status: PurchaseSchema },
  run: ({ purchases }, { params: { purchase } }, { signal }) => {
    purchases.get(purchase)
    return latest<ServerEvent>(signal, (push, end) => {
      const leave = purchases.view(purchase, (records) => push({ event: 'records', data: encodeRecords(records) }))
      const stop = every(STATUS_MS, () => {
        const bought = purchases.get(purchase)
        push({ event: 'status', data: bought })
        if (bought.outcome !== undefined || bought.problem !== undefined) end()
      })
      return () => {
        leave()
        stop()
      }
    })
  }
})

export const downloadPurchase = rawOperation({
  id: 'downloadPurchase',
  method: 'GET',
  path: '/v1/purchases/:purchase/file',
  summary: 'the records of a purchase that the node keeps, as a file',
  params: PurchasePath,
  query: Type.Object({ format: Type.Optional(OneOf('jsonl', 'csv')) }),
  raw: ['application/x-ndjson', 'text/csv'],
  run: async ({ purchases }, { params, query }, { signal }) => {
    const { purchase } = params
    const file = purchases.file(purchase)
    if (query.format !== 'csv') {
      const body = ended(keptLines(file, signal))
      return { contentType: 'application/x-ndjson', filename: `${purchase}.jsonl`, body }
    }
    const body = csvLines(keptLines(file, signal), await csvTable(keptLines(file, signal)))
    return { contentType: 'text/csv; charset=utf-8', filename: `${purchase}.csv`, body }
  }
})

/**
 * Lines of the kept file, read as they are sent. Nothing but the byte 0x0a ends one: what Unicode calls a line separator
 * is text in a record. A line that has no end is still being written.
 */
async function* keptLines(file: string, signal: AbortSignal): AsyncGenerator<string> {
  // The node wrote the file: a record that is no JSON takes more bytes there than it was sold with.
  const splitter = new LineSplitter(Number.POSITIVE_INFINITY)
  for await (const chunk of createReadStream(file, { signal })) {
    for (const { bytes } of splitter.push(chunk as Buffer)) yield String(bytes)
  }
}

async function* ended(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`
}
