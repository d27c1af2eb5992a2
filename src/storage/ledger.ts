import { stat } from 'node:fs/promises'
import type {
  AbortOptions,
  AssetId,
  BlockStore,
  ChannelStore,
  Logger,
  RecordStore,
  SessionStakes,
  SessionStore,
  SessionTotals,
  SpendingStore,
  TransferStore,
  TrustStore
} from '../interface/index.ts'
import { blockStore } from './blocks.ts'
import { channelStore } from './channels.ts'
import { type Connection, connect } from './connection.ts'
import { type MetaStore, metaStore } from './meta.ts'
import { LEDGER_MIGRATIONS } from './migrations.ts'
import { recordStore } from './records.ts'
import { sessionStore } from './sessions.ts'
import { spendingStore } from './spending.ts'
import { sessionTotals, unsettledSessions } from './totals.ts'
import { transferStore } from './transfers.ts'
import { trustStore } from './trust.ts'

export interface LedgerInit {
  /** File of the database; its folder must exist. */
  path: string
  logger?: Logger
  /**
   * Read a ledger that another process may be writing. Every write is refused.
   *
   * @default false
   */
  readOnly?: boolean
}

/** What must survive: every promise of a write resolves when it is on the disk. */
export interface Ledger {
  sessions: SessionStore
  channels: ChannelStore
  transfers: TransferStore
  /** What was spent and risked in one asset. */
  book: (asset: AssetId) => { spending: SpendingStore; trust: TrustStore }
  records: RecordStore
  blocks: BlockStore
  meta: MetaStore
  totals: (options?: AbortOptions) => Promise<SessionTotals[]>
  /** Sessions in which something is at stake: in none of the `ended` states, or not even. */
  unsettled: (ended: readonly string[], options?: AbortOptions) => Promise<SessionStakes[]>
  /** Writes what was queued, then closes the file. May be called again. */
  close: () => Promise<void>
}

/**
 * Opens ledger.db in a thread of its own. Writes that are queued while a commit runs share the next one; a write that
 * fails (a constraint) fails alone. Reads see all writes queued before them.
 *
 * @example
 * ```ts
 * const ledger = await openLedger({ path: join(home, 'ledger.db') })
 * await ledger.meta.set('checkpoint', '{"number":"12"}') // durable
 * await ledger.close()
 * ```
 *
 * @throws DdmError `config` when the file was written by a newer version or cannot be opened, `homeBusy` when another
 * process holds it.
 */
export async function openLedger({ path, logger, readOnly = false }: LedgerInit): Promise<Ledger> {
  const db = await connect({ path, logger, readOnly, synchronous: 'FULL', migrations: LEDGER_MIGRATIONS })
  try {
    if (!readOnly) await noticeRestore(db, path)
  } catch (error) {
    await db.close()
    throw error
  }
  return {
    sessions: sessionStore(db),
    channels: channelStore(db),
    transfers: transferStore(db),
    book: (asset) => ({ spending: spendingStore(db, asset), trust: trustStore(db, asset) }),
    records: recordStore(db),
    blocks: blockStore(db),
    meta: metaStore(db),
    totals: (options) => sessionTotals(db, options),
    unsettled: (ended, options) => unsettledSessions(db, ended, options),
    close: () => db.close()
  }
}

/**
 * A copy that was put back is another file than the one that the ledger remembers. It may lack records that buyers have
 * already seen, and would give their offsets to others: its logs take a new epoch. It may lack what was paid since: its
 * payer's channels are stale.
 */
async function noticeRestore(db: Connection, path: string): Promise<void> {
  const { ino, birthtimeNs } = await stat(path, { bigint: true })
  const file = `${ino}:${birthtimeNs}`
  await db.write([
    [`UPDATE logs SET epoch = max(epoch + 1, ?) WHERE ${IS_ANOTHER_FILE}`, [Date.now(), file]],
    [`UPDATE payer_channels SET stale = 1 WHERE ${IS_ANOTHER_FILE}`, [file]],
    ["INSERT INTO meta (key, value) VALUES ('file', ?) ON CONFLICT DO UPDATE SET value = excluded.value", [file]]
  ])
}

const IS_ANOTHER_FILE = "(SELECT value FROM meta WHERE key = 'file') IS NOT ?"
