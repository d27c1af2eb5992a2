import { unknownTransaction, unsupported } from './errors.ts'
import type { ExecutedRecord } from './ledger.ts'
import { address, digest, fields, text } from './params.ts'

type Test = (record: ExecutedRecord) => boolean

export interface RecordQuery {
  /** As `TransactionFilter` of the SDK. */
  filter: unknown
  /** Digest of the last one that is known. */
  cursor: unknown
  limit: number
  isDescending: boolean
}

/** Transactions that a filter fits, after the cursor, and no more than are asked for. */
export function queryRecords(records: readonly ExecutedRecord[], query: RecordQuery): ExecutedRecord[] {
  const { cursor, limit, isDescending } = query
  const matches = testOf(query.filter)
  const step = isDescending ? -1 : 1
  const known = cursor === undefined || cursor === null ? undefined : positionOf(records, digest(cursor))
  const found: ExecutedRecord[] = []
  let at = known === undefined ? (isDescending ? records.length - 1 : 0) : known + step
  for (; found.length < limit && at >= 0 && at < records.length; at += step) {
    const record = records[at] as ExecutedRecord
    if (matches(record)) found.push(record)
  }
  return found
}

function positionOf(records: readonly ExecutedRecord[], cursor: string): number {
  const at = records.findIndex(({ transaction }) => transaction.digest === cursor)
  if (at < 0) throw unknownTransaction(cursor)
  return at
}

function testOf(filter: unknown): Test {
  const [[name, value] = ['', undefined], ...others] = Object.entries(fields(filter))
  if (name === '') return () => true
  const test = others.length === 0 && Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined
  if (test === undefined) throw unsupported(`transactions by ${name.slice(0, 50)}`)
  return test(value)
}

const FILTERS: Readonly<Record<string, (value: unknown) => Test>> = {
  Checkpoint: (value) => {
    const checkpoint = Number(text(value))
    return (record) => record.checkpoint === checkpoint
  },
  InputObject: (value) => {
    const id = address(value)
    return ({ outcome }) => outcome.before.some((coin) => coin.id === id)
  },
  ChangedObject: (value) => {
    const id = address(value)
    return ({ outcome }) => [...outcome.mutated, ...outcome.created].some((coin) => coin.id === id)
  },
  FromAddress: (value) => from(address(value)),
  ToAddress: (value) => to(address(value)),
  FromAndToAddress: (value) => {
    const [sent, reached] = [from(address(fields(value).from)), to(address(fields(value).to))]
    return (record) => sent(record) && reached(record)
  },
  FromOrToAddress: (value) => {
    const [sent, reached] = [from(address(fields(value).addr)), to(address(fields(value).addr))]
    return (record) => sent(record) || reached(record)
  },
  TransactionKind: (value) => kind([text(value)]),
  TransactionKindIn: (value) => kind(Array.isArray(value) ? value : [])
}

function from(sender: string): Test {
  return ({ transaction }) => transaction.sender === sender
}

/** Whoever owns something that the transaction wrote; a sender that keeps its gas coin, too. */
function to(owner: string): Test {
  return ({ outcome }) => [...outcome.mutated, ...outcome.created].some((coin) => coin.owner === owner)
}

function kind(kinds: readonly unknown[]): Test {
  const isWanted = kinds.includes('ProgrammableTransaction')
  return () => isWanted
}
