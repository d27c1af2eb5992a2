import {
  type AbortOptions,
  DdmError,
  type SessionRecord,
  type SessionRole,
  type SessionStore
} from '../interface/index.ts'

/** The session of an ID or a unique beginning of it. A node that bought from itself has it twice: the buyer's first. */
export async function findSession(
  sessions: SessionStore,
  prefix: string,
  options?: AbortOptions,
  role?: SessionRole
): Promise<SessionRecord> {
  const all = await sessions.list(role, options)
  const found = all.filter(({ id }) => id.startsWith(prefix))
  const first = found.find((session) => session.role === 'buyer') ?? found[0]
  if (first === undefined) {
    throw new DdmError('notFound', `there is no session ${prefix} in this home; "ddm sessions list" shows them`)
  }
  if (found.some(({ id }) => id !== first.id)) {
    throw new DdmError('ambiguous', `"${prefix}" fits ${found.length} sessions; give more of the ID`)
  }
  return first
}
