import type { Hex } from '../interface/index.ts'
import { decodeDocument } from './document.ts'
import type { Step } from './tables.ts'

/** A checked document, durably. */
export function storeSteps(manifest: Hex, bytes: Uint8Array): Step[] {
  return [
    {
      sql: 'insert or replace into registry_document values (?, ?, null, ?)',
      params: [manifest, bytes, Date.now()]
    },
    { sql: 'delete from registry_missing where manifest = ?', params: [manifest] }
  ]
}

/** Bytes that are no listing document are remembered as such, so that nobody fetches them again. */
export function badSteps(manifest: Hex, reason: string): Step[] {
  return [
    {
      sql: 'insert or replace into registry_document values (?, null, ?, ?)',
      params: [manifest, reason.slice(0, 500), Date.now()]
    },
    { sql: 'delete from registry_missing where manifest = ?', params: [manifest] }
  ]
}

/** A fetched document is stored as good or bad, once; its listings are looked at again. */
export function arrived(manifest: Hex, bytes: Uint8Array): Step[] {
  let steps: Step[]
  try {
    decodeDocument(bytes)
    steps = storeSteps(manifest, bytes)
  } catch (error) {
    steps = badSteps(manifest, reasonOf(error))
  }
  return [...steps, lookAgain(manifest)]
}

export function lookAgain(manifest: Hex): Step {
  const sql = 'insert or ignore into registry_todo select listing_id from registry_head where manifest = ?'
  return { sql, params: [manifest] }
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
