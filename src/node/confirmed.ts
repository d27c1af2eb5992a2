import type { AbortOptions, SessionRecord, SessionStore } from '../interface/index.ts'
import { readAnyStatement, type Statement } from '../statements/index.ts'

/** What the seller of a purchase has last said that it has, atomic units. */
export async function confirmedBySeller(
  { id, role }: Pick<SessionRecord, 'id' | 'role'>,
  sessions: Pick<SessionStore, 'statements'>,
  options?: AbortOptions
): Promise<bigint> {
  let credited = 0n
  for (const { kind, payload, signature } of await sessions.statements(id, role, options)) {
    if (kind !== 'accept' && kind !== 'invoice') continue
    const { credited: said = 0n } = readAnyStatement(payload, signature).content as Statement<'accept' | 'invoice'>
    if (said > credited) credited = said
  }
  return credited
}
