import { DdmError } from '../../interface/index.ts'
import { type SdppError, STATUS } from './status.ts'

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
