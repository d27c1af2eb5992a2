import { DdmError, type Violation } from '../../interface/index.ts'
import { isDispute, type SdppError, STATUS } from './status.ts'

/** What a user is told: who said no, why, with the code. */
export function toDdmError(error: SdppError, seller: string, phase: string): DdmError {
  const who = error.side === 'remote' ? `seller ${seller}` : 'this node'
  const options = { cause: error, details: { ...error.details, status: error.code } }
  if (error.lost) return new DdmError('unreachable', `lost ${who} (${phase}): ${error.message}`, options)
  if (error.code === STATUS.priceChanged) return new DdmError('priceAboveLimit', error.message, options)
  if (error.code === STATUS.paymentInvalid) return new DdmError('paymentInvalid', `${who}: ${error.message}`, options)
  if (error.code === STATUS.unknownListing) return new DdmError('notFound', `${who}: ${error.message}`, options)
  if (error.code === STATUS.timeout) return new DdmError('unreachable', `${who}: ${error.message} (${phase})`, options)
  if (error.isRefusal) return new DdmError('refused', `${who} refused (${error.code}): ${error.message}`, options)
  return new DdmError('protocol', `${who} ended the session (${error.code}): ${error.message}`, options)
}

/** What a user is told of a record that breaks the schema; `records` are those before it. */
export function violationError(
  { first, index, reason }: Violation,
  { session, seller, records, paid }: { session: string; seller: string; records: bigint; paid: bigint }
): DdmError {
  const offset = first + BigInt(index)
  return new DdmError(
    'schema',
    `record ${offset} of seller ${seller} breaks the listing's schema: ${reason}; the ${records} records before it were taken and nothing more is paid. Evidence: ddm receipts export ${session}`,
    { details: { session, seller, offset: String(offset), reason, records: String(records), paid: String(paid) } }
  )
}

/** Of a session that has its receipt only the seller's word was missing: one that forgot it has nothing to say. */
export function endedAs({ code }: SdppError): string {
  return code === STATUS.unknownSession ? 'closed' : 'receipted'
}

/**
 * @param resuming - RESUME was not answered by ACCEPT
 * @param stopped - the user wanted no more records
 */
export function leftAs(error: SdppError, refused: boolean, resuming: boolean, stopped: boolean): string {
  if (isDispute(error, resuming)) return 'disputed'
  if (refused && !resuming) return 'refused'
  if (error.code === STATUS.unknownSession) return 'abandoned'
  return stopped ? 'stopped' : 'suspended'
}
