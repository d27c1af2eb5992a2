import { useRef } from 'preact/hooks'
import { api } from '../client/api.ts'
import type { Statement } from '../client/types.ts'
import { useResource } from '../client/use-resource.ts'

/** What is signed while a purchase runs is looked up so often. */
const LOOK_MS = 1000

/**
 * The statements of a session. The ledger keeps the newest invoice, which stands for all before it; here those that were
 * seen stay.
 */
export function useStatements(
  session: string | undefined,
  over: boolean
): { statements: readonly Statement[]; error: unknown } {
  const seen = useRef(new Map<string, Statement>())
  const { value, error } = useResource(
    async (options) => {
      if (session === undefined) return []
      for (const statement of await api.statements(session, options)) seen.current.set(statement.cid, statement)
      return [...seen.current.values()]
    },
    [session, over],
    over ? {} : { every: LOOK_MS }
  )
  return { statements: value ?? [], error }
}
