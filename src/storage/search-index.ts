import type { IndexStore, Logger } from '../interface/index.ts'
import { connect } from './connection.ts'
import type { Step } from './protocol.ts'

export interface IndexInit {
  /** File of the database, or `:memory:`. */
  path: string
  /**
   * SQL of each schema version in order.
   *
   * @default []
   */
  migrations?: readonly string[]
  logger?: Logger
}

export interface IndexDatabase extends IndexStore {
  close: () => Promise<void>
}

/**
 * Opens index.db in a thread of its own, so that a search never holds up the network. It can be rebuilt, so a power loss
 * may take the last writes. FTS5 and R*Tree are available. Integers come back as numbers while that is exact, else as
 * bigints. A statement without `params` may hold several, separated by semicolons.
 *
 * @example
 * ```ts
 * const index = await openIndex({ path: join(home, 'index.db') })
 * await index.run([{ sql: 'CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (title)' }]) // one transaction
 * const rows = await index.all<{ title: string }>('SELECT title FROM words WHERE words MATCH ?', ['"rain"'])
 * ```
 */
export async function openIndex({ path, migrations = [], logger }: IndexInit): Promise<IndexDatabase> {
  const db = await connect({ path, migrations, logger, synchronous: 'NORMAL' })
  return {
    run: async (statements, options) => {
      await db.write(
        statements.map(({ sql, params }): Step => (params === undefined ? [sql] : [sql, [...params]])),
        options
      )
    },
    all: async <Row>(sql: string, params: Array<string | number | bigint | null | Uint8Array> = [], options = {}) =>
      (await db.read(sql, params, options)) as Row[],
    close: () => db.close()
  }
}
