import type { CID } from 'multiformats/cid'
import type { Logger, SessionRecord, SessionStore, SignedStatement } from '../../interface/index.ts'
import { Transcript } from '../../statements/index.ts'
import type { Clock } from './clock.ts'
import { Latest } from './latest.ts'

export interface SessionLedgerComponents {
  sessions: SessionStore
  clock: Clock
  logger: Logger
}

/** What an accepted session leaves behind, on either side: transcript, last invoice, statements, and where it stands. */
export class SessionLedger {
  readonly transcript: Transcript
  readonly #components: SessionLedgerComponents
  readonly #record: SessionRecord
  readonly #lastInvoice: Latest<SignedStatement>

  constructor(session: CID, record: SessionRecord, components: SessionLedgerComponents) {
    const { sessions, logger } = components
    this.transcript = new Transcript(session.bytes)
    this.#components = components
    this.#record = record
    this.#lastInvoice = new Latest<SignedStatement>(
      (statement) => sessions.keep(record.id, record.role, [statement], { replaces: 'invoice' }),
      (error) => logger.error('invoice not stored', { error: String(error) })
    )
  }

  /** An invoice supersedes those before it: only the newest is written. */
  keepInvoice(statement: SignedStatement): void {
    this.#lastInvoice.set(statement)
  }

  /** Resolves when the newest invoice is durable. */
  flush(): Promise<void> {
    return this.#lastInvoice.flush()
  }

  /** Resolves when the statements, the transcript so far and the session's row are durable. */
  async store(
    statements: SignedStatement[],
    standing: Pick<SessionRecord, 'state' | 'position' | 'due' | 'paid'>
  ): Promise<void> {
    const { sessions, clock } = this.#components
    const { id, role } = this.#record
    const { parts, openPart } = this.transcript
    await Promise.all([
      sessions.keep(id, role, statements),
      sessions.keepParts(id, role, openPart === undefined ? [...parts] : [...parts, openPart]),
      sessions.put({ ...this.#record, ...standing, root: this.transcript.root(), updatedAt: clock.wallTime() })
    ])
  }
}
