import type { AnyEventOperation, AnyOperation, AnyRawOperation } from '../operation.ts'
import * as followings from './followings.ts'
import * as listings from './listings.ts'
import * as money from './money.ts'
import * as node from './node.ts'
import * as products from './products.ts'
import * as purchases from './purchases.ts'
import * as sessions from './sessions.ts'

const all: unknown[] = [node, listings, products, purchases, followings, sessions, money].flatMap((group) =>
  Object.values(group)
)

function isDescribed(value: unknown): value is AnyOperation | AnyEventOperation | AnyRawOperation {
  return typeof value === 'object' && value !== null && 'path' in value && 'run' in value
}

/** Everything that the node can do over HTTP. */
export const OPERATIONS: readonly AnyOperation[] = all
  .filter(isDescribed)
  .filter((described): described is AnyOperation => 'result' in described)

export const EVENT_OPERATIONS: readonly AnyEventOperation[] = all
  .filter(isDescribed)
  .filter((described): described is AnyEventOperation => 'events' in described)

export const RAW_OPERATIONS: readonly AnyRawOperation[] = all
  .filter(isDescribed)
  .filter((described): described is AnyRawOperation => 'raw' in described)
