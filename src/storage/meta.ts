import type { AbortOptions } from '../interface/index.ts'
import type { Connection } from './connection.ts'
import { toText } from './values.ts'

const GET = 'SELECT value FROM meta WHERE key = ?'
const SET = 'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value'

/** Durable texts under a name: checkpoints and the like. */
export interface MetaStore {
  get: (key: string, options?: AbortOptions) => Promise<string | undefined>
  set: (key: string, value: string, options?: AbortOptions) => Promise<void>
}

export function metaStore(db: Connection): MetaStore {
  return {
    get: async (key, options) => {
      const [row] = await db.read(GET, [key], options)
      return row === undefined ? undefined : toText(row.value)
    },
    set: async (key, value, options) => {
      await db.write([[SET, [key, value]]], options)
    }
  }
}
