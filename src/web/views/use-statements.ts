import { api } from '../client/api.ts'
import { keepStatements, keptStatements } from '../client/kept-statements.ts'
import type { Statement } from '../client/types.ts'
import { useResource } from '../client/use-resource.ts'

/** What is signed while a purchase runs is looked up so often. */
const LOOK_MS = 1000

/** The statements of a session: those that its ledger has, and those that were seen in this tab. */
export function useStatements(
  session: string | undefined,
  over: boolean
): { statements: readonly Statement[]; error: unknown } {
  const { value, error } = useResource(
    async (options) => {
      if (session === undefined) return []
      const kept = keptStatements(session, sessionStorage)
      const seen = new Map(kept.map((statement) => [statement.cid, statement]))
      for (const statement of await api.statements(session, options)) seen.set(statement.cid, statement)
      const statements = [...seen.values()]
      if (statements.length > kept.length) keepStatements(session, statements, sessionStorage)
      return statements
    },
    [session, over],
    over ? {} : { every: LOOK_MS }
  )
  return { statements: value ?? [], error }
}
