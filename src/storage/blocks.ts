import { type Block, type BlockStore, DdmError } from '../interface/index.ts'
import type { Connection } from './connection.ts'
import type { Row, Step } from './protocol.ts'
import { toBigInt, toBytes } from './values.ts'

const CREATE = 'INSERT INTO logs (name, epoch) VALUES (?, ?) ON CONFLICT DO NOTHING'
const LOG = 'SELECT epoch, tail, head, finished, source, position FROM logs WHERE name = ?'
// Triggers see to it that the block starts at the head and moves it.
const APPEND = `INSERT INTO blocks (log, first, count, appended_at, digest, bytes)
  VALUES ((SELECT id FROM logs WHERE name = ?), ?, ?, ?, ?, ?)`
// The sum stops the scan as soon as enough bytes are there.
const MOVE_SOURCE = 'UPDATE logs SET source = ?, position = ? WHERE name = ?'
const READ_MANY = `SELECT first, count, appended_at, digest, bytes FROM (
    SELECT *, sum(length(bytes)) OVER (ORDER BY first ROWS UNBOUNDED PRECEDING) - length(bytes) AS before FROM (
      SELECT * FROM blocks WHERE log = (SELECT id FROM logs WHERE name = ?1) AND first >= (
        SELECT first FROM blocks WHERE log = (SELECT id FROM logs WHERE name = ?1) AND first <= ?2
        ORDER BY first DESC LIMIT 1)
      ORDER BY first LIMIT ?4))
  WHERE before < ?3 ORDER BY first`
const AT = `SELECT first FROM blocks WHERE log = (SELECT id FROM logs WHERE name = ?) AND appended_at >= ?
  ORDER BY appended_at, first LIMIT 1`
const FINISH = 'UPDATE logs SET finished = 1 WHERE name = ?'
const PRUNE = `DELETE FROM blocks WHERE log = (SELECT id FROM logs WHERE name = ?1) AND first < ?2
  AND first + count <= ?2`
/** End of the last of the oldest blocks, when so many may go. */
const STEP = `SELECT first + count AS until FROM blocks WHERE log = (SELECT id FROM logs WHERE name = ?1)
  AND first < ?2 AND first + count <= ?2 ORDER BY first LIMIT 1 OFFSET ?3`
const MOVE_TAIL = `UPDATE logs SET tail = coalesce((SELECT min(first) FROM blocks WHERE log = logs.id), head)
  WHERE name = ?`

/** Blocks of one read; small ones would otherwise fill a message of many rows. */
const MAX_BLOCKS_PER_READ = 64

/** Blocks pruned in one transaction: appends wait for it. */
const PRUNED_AT_ONCE = 256

/** Offsets of a log that a stranger may ask for, but no log can hold. */
const MAX_OFFSET = (1n << 63n) - 1n

/** Blocks of product logs, in ledger.db. */
export function blockStore(db: Connection): BlockStore {
  return {
    open: async (logId, options) => {
      // The time as epoch: a log that was deleted and made anew must not look like the old one.
      const [row] = await db.write(
        [
          [CREATE, [logId, Date.now()]],
          [LOG, [logId]]
        ],
        options
      )
      if (row === undefined) throw new DdmError('internal', `product log ${logId} could not be created`)
      return {
        epoch: toBigInt(row.epoch),
        range: { tail: toBigInt(row.tail), head: toBigInt(row.head) },
        finished: row.finished === 1,
        ...(row.position === null ? {} : { position: { source: String(row.source), position: String(row.position) } })
      }
    },
    append: async (logId, { first, count, appendedAt, digest, bytes }, options) => {
      const steps: Step[] = [[APPEND, [logId, first, count, appendedAt, digest, bytes]]]
      const position = options?.position
      if (position !== undefined) steps.push([MOVE_SOURCE, [position.source, position.position, logId]])
      await db.write(steps, options)
    },
    readMany: async (logId, offset, maxBytes, options) => {
      if (offset < 0n || offset > MAX_OFFSET) return []
      const rows = await db.read(READ_MANY, [logId, offset, maxBytes, MAX_BLOCKS_PER_READ], options)
      const [first, ...rest] = rows.map(toBlock)
      return first !== undefined && offset < first.first + BigInt(first.count) ? [first, ...rest] : []
    },
    offsetAt: async (logId, time, options) => {
      const [row] = await db.read(AT, [logId, Math.ceil(time)], options)
      if (row !== undefined) return toBigInt(row.first)
      const [log] = await db.read(LOG, [logId], options)
      return log === undefined ? 0n : toBigInt(log.head)
    },
    finish: async (logId, options) => {
      await db.write([[FINISH, [logId]]], options)
    },
    prune: async (logId, offset, options) => {
      const before = offset > MAX_OFFSET ? MAX_OFFSET : offset
      for (;;) {
        const [step] = await db.read(STEP, [logId, before, PRUNED_AT_ONCE - 1], options)
        const until = step === undefined ? before : toBigInt(step.until)
        await db.write(
          [
            [PRUNE, [logId, until]],
            [MOVE_TAIL, [logId]]
          ],
          options
        )
        if (step === undefined) return
      }
    }
  }
}

function toBlock(row: Row): Block {
  return {
    first: toBigInt(row.first),
    count: Number(row.count),
    bytes: toBytes(row.bytes),
    digest: toBytes(row.digest),
    appendedAt: Number(row.appended_at)
  }
}
