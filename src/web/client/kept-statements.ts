import type { Statement } from './types.ts'

/** More than the log shows. */
const KEPT = 200

const SESSIONS = 10

const PREFIX = 'ddm.statements.'

type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>

/**
 * The statements of a session that this tab has seen. The node's ledger keeps the newest invoice, which stands for all
 * before it; the log shows those, too, as long as the tab is open, also after a reload.
 */
export function keptStatements(session: string, store: Store): Statement[] {
  try {
    return JSON.parse(store.getItem(`${PREFIX}${session}`) ?? '[]') as Statement[]
  } catch {
    return []
  }
}

export function keepStatements(session: string, statements: readonly Statement[], store: Store): void {
  const key = `${PREFIX}${session}`
  const others = Array.from({ length: store.length }, (_, index) => store.key(index) ?? '').filter(
    (name) => name.startsWith(PREFIX) && name !== key
  )
  for (const name of others.slice(0, Math.max(0, others.length - SESSIONS + 1))) store.removeItem(name)
  try {
    store.setItem(key, JSON.stringify(statements.slice(-KEPT)))
  } catch {
    // Full: what the node's ledger has is shown in any case.
  }
}
